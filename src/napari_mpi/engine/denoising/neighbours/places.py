"""Which planes lie beside a plane: along time, along depth, or along both."""

from collections.abc import Iterator, Mapping

from napari_mpi.engine.images.axes import ImageAxes, Index

Reach = Mapping[str, int]
"""How many planes on either side, by the letter of the axis: {'T': 2}."""

AXES = "TZ"
"""Letters of the axes along which planes have neighbours."""

REACHES = (1, 2, 4)
"""How many planes on either side are tried."""


def stack_axes(layout: ImageAxes) -> str:
    """Return the letters of the axes along which an image has neighbouring planes."""
    sizes = dict(zip(layout.letters, layout.shape, strict=True))
    return "".join(a for a in AXES if a in layout.stack_letters and sizes[a] > 1)


def beside(layout: ImageAxes, plane: Index, reach: Reach) -> Iterator[Index]:
    """Yield the planes beside a plane, along each axis from before to after.

    Parameters
    ----------
    layout : ImageAxes
        Axes of the image.
    plane : tuple
        Its index.
    reach : mapping
        How far to look; what lies outside of the image is left out.
    """
    for letter, most in reach.items():
        for step in range(-most, most + 1):
            found = layout.beside(plane, letter, step) if step else None
            if found is not None:
                yield found


def reach_in_words(reach: Reach) -> str:
    """Return how far is looked, in words."""
    if not any(reach.values()):
        return "no neighbouring plane"
    names = {"T": "time", "Z": "depth"}
    return " and ".join(
        f"{most} plane{'s' * (most > 1)} either side along {names[letter]}"
        for letter, most in reach.items()
        if most
    )
