"""Cut the openly licensed photographs of open_images.csv into tiles to pre-train on.

Each is shrunk by whole pixels' means until its longer side has at most 2,048: what
noise and JPEG have left in it goes by that. The tiles have 512 x 512 pixels; those in
which little varies (a sky, a blurred ground) are left out.

Usage: git clone https://github.com/OWNER/NAME CLONES/OWNER+NAME   (each of the table)
       python benchmarks/open_images.py CLONES OUT
"""

import argparse
import csv
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

TABLE = Path(__file__).with_suffix(".csv")
LONGEST = 2048  # pixels
TILE = 512
LEAST = 1.5  # mean difference of neighbours, of 255 levels
QUALITY = 94  # of JPEG


def main() -> None:
    """Write the tiles of every photograph in the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clones", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    total = 0
    for row in rows:
        photograph = shrunk(read(options.clones, row))
        stem = Path(row["path"]).stem.replace(" ", "-")
        for number, tile in enumerate(tiles(photograph)):
            imageio.imwrite(
                options.out / f"{stem}-{number:02d}.jpg",
                tile,
                quality=QUALITY,
                subsampling="4:4:4",
            )
            total += 1
    print(f"{len(rows)} photographs, {total} tiles")


def read(clones: Path, row: dict[str, str]) -> NDArray[np.uint8]:
    """Return a photograph as it was in the commit of the table."""
    folder = clones / row["repository"].replace("/", "+")
    command = ["git", "-C", str(folder), "show", f"{row['commit']}:{row['path']}"]
    done = subprocess.run(command, capture_output=True, check=True)
    image = np.asarray(imageio.imread(io.BytesIO(done.stdout)))
    return np.stack([image] * 3, axis=-1) if image.ndim == 2 else image[..., :3]


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of squares of as few pixels as it takes, at least of four."""
    step = max(2, -(-max(image.shape) // LONGEST))
    height, width = (side // step * step for side in image.shape[:2])
    squares = image[:height, :width].reshape(
        height // step, step, width // step, step, 3
    )
    return np.rint(squares.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)


def tiles(image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles of an image that have something in them."""
    tops, lefts = (_starts(side) for side in image.shape[:2])
    for top in tops:
        for left in lefts:
            tile = image[top : top + TILE, left : left + TILE]
            if np.abs(np.diff(tile.astype(np.int16), axis=1)).mean() >= LEAST:
                yield tile


def _starts(side: int) -> list[int]:
    """Return where tiles begin: as many as fit, evenly from border to border."""
    count = side // TILE
    return [round(n) for n in np.linspace(0, side - TILE, count)] if count else []


if __name__ == "__main__":
    main()
