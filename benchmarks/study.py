"""A study: which images, what is measured of them, and how it is told."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tables
from tables import Entry, Row


def _nothing(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


@dataclass(frozen=True)
class Study:
    """One comparison that `compare.py` runs.

    Parameters
    ----------
    fields : tuple of str
        Columns of its file.
    rows : callable
        Yields the rows that the options ask for.
    table : callable
        Prints the rows of a file in Markdown.
    options : callable
        Adds options of its own to a parser.
    key : tuple of str
        Columns that tell runs apart: what a file holds already is not run again, by
        the study's ``rows``, which find it in ``options.done``.
    """

    fields: tuple[str, ...]
    rows: Callable[[argparse.Namespace], Iterator[Row]]
    table: Callable[[list[Entry]], None]
    options: Callable[[argparse.ArgumentParser], None] = _nothing
    key: tuple[str, ...] = ()

    def run(self, name: str, words: list[str], about: str) -> None:
        """Measure and write, or only print the table of a file."""
        parser = argparse.ArgumentParser(
            f"compare.py {name}",
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--csv", type=Path, default=Path(f"{name}.csv"))
        parser.add_argument("--table", type=Path, help="only print this file's table")
        self.options(parser)
        options = parser.parse_args(words)
        if options.table is None:
            options.done = tables.already(options.csv, self.key) if self.key else set()
            tables.write(options.csv, self.fields, self.rows(options))
        self.table(tables.read(options.table or options.csv))
