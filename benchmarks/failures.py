"""Where the method fails, what to do instead, and pictures of both.

Usage: python benchmarks/failures.py [FOLDER] [--topics correlated stripes ...]
                                     [--table | --pictures]

Into FOLDER (docs if it is not named) go failures.csv and failures-TOPIC.png; tables in
Markdown are printed. With --table, only the tables of the file that is there; with
--pictures, only the pictures are made, from what they show, and the file stays. With
--topics, the file keeps what it holds of the others. It takes some minutes on one core,
and pictures need matplotlib.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from failing import pictures as failure_pictures
from failing.scenes import Scene, scenes

TOPICS = ("correlated", "stripes", "sparse", "saturated")
FIELDS = ("topic", "scene", "treatment", "measure", "value", "seed")
FILE = "failures.csv"
Row = dict[str, str]


def main() -> None:
    """Measure, write and draw; or print what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"))
    parser.add_argument("--topics", nargs="+", choices=TOPICS, default=TOPICS)
    parser.add_argument("--table", action="store_true", help="only print the tables")
    parser.add_argument("--pictures", action="store_true", help="only draw")
    options = parser.parse_args()
    path = options.folder / FILE
    if not options.table:
        rows = measured(options.folder, options.topics, only_shown=options.pictures)
        if not options.pictures:
            kept = [row for row in read(path) if row["topic"] not in options.topics]
            write(path, kept + rows)
    rows = read(path)
    for topic in dict.fromkeys(row["topic"] for row in rows):
        print_table(topic, [row for row in rows if row["topic"] == topic])


def read(path: Path) -> list[Row]:
    """Return what was measured before; nothing if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[Row]) -> None:
    """Write everything that was measured, topics in their order."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: TOPICS.index(row["topic"])))


def measured(folder: Path, topics: Sequence[str], *, only_shown: bool) -> list[Row]:
    """Treat scenes in all ways, draw them, and return a row for each measure."""
    rows: list[Row] = []
    drawn: dict[str, failure_pictures.Results] = defaultdict(dict)
    for scene in (scene for scene in scenes() if scene.topic in topics):
        shown = failure_pictures.shown(scene.topic, scene.name)
        images = {
            label: treat()
            for label, treat in scene.treatments.items()
            if label in shown or not only_shown
        }
        found = {label: scene.measured(image) for label, image in images.items()}
        rows += rows_of(scene, found)
        # Of scenes with noise of several seeds, the first is drawn.
        images["clean"] = scene.clean
        drawn[scene.topic].setdefault(scene.name, (images, found))
        print(scene.topic, scene.name, scene.seed, flush=True)
    for topic, results in drawn.items():
        failure_pictures.draw(topic, results, folder / f"failures-{topic}.png")
    return rows


def rows_of(scene: Scene, found: dict[str, dict[str, float]]) -> list[Row]:
    """Return a row for each treatment and measure."""
    place = {"topic": scene.topic, "scene": scene.name, "seed": str(scene.seed)}
    return [
        {**place, "treatment": label, "measure": measure, "value": f"{value:.2f}"}
        for label, values in found.items()
        for measure, value in values.items()
    ]


def print_table(topic: str, rows: list[Row]) -> None:
    """Print means over the seeds; of a single measure, treatments beside each other."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        key = row["scene"], row["treatment"], row["measure"]
        values[key].append(float(row["value"]))
    scene, treatment, measure = (
        list(dict.fromkeys(names)) for names in zip(*values, strict=True)
    )
    if len(measure) == 1:
        lines = {(name,): [(name, label, *measure) for label in treatment]
                 for name in scene}  # fmt: skip
        header = (f"{topic}, {measure[0]}", *treatment)
    else:
        pairs = dict.fromkeys(key[:2] for key in values)
        lines = {pair: [(*pair, name) for name in measure] for pair in pairs}
        header = (topic, "treatment", *measure)
    print(f"\n| {' | '.join(header)} |\n{'| --- ' * len(header)}|")
    for names, keys in lines.items():
        cells = [f"{mean(values[key]):.1f}" for key in keys]
        print(f"| {' | '.join((*names, *cells))} |")


if __name__ == "__main__":
    main()
