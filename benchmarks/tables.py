"""Tables of what was measured: written row by row, resumed, and told in Markdown."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

Row = dict[str, object]
Entry = dict[str, str]


def write(path: Path, fields: Sequence[str], rows: Iterable[Row]) -> None:
    """Append rows to a file, each as soon as it is there, and print them."""
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=fields)
        if file.tell() == 0:
            writer.writeheader()
        for row in rows:
            writer.writerow(row)
            file.flush()
            print(row, flush=True)


def read(path: Path) -> list[Entry]:
    """Return the rows of a file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def already(path: Path, key: Sequence[str]) -> set[tuple[str, ...]]:
    """Return what tells the runs apart that a file has, to go on after them."""
    return {tuple(entry[field] for field in key) for entry in read(path)}


def grouped(
    entries: Iterable[Entry], *fields: str
) -> dict[tuple[str, ...], list[Entry]]:
    """Return rows by the values of some fields, in the order of the file."""
    found: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        found[tuple(entry[field] for field in fields)].append(entry)
    return found


def mean(entries: Iterable[Entry], field: str) -> float:
    """Return the mean of a field."""
    return fmean(float(entry[field]) for entry in entries)


def print_head(*names: object, numbers: int = 0) -> None:
    """Print the head of a table in Markdown, the last columns of which are numbers."""
    print("|", " | ".join(map(str, names)), "|")
    kinds = ["---"] * (len(names) - numbers) + ["---:"] * numbers
    print("|", " | ".join(kinds), "|")


def print_line(*cells: object) -> None:
    """Print a line of a table in Markdown."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)
