"""Images behind an address, such as https:// or s3://, which are only read."""

import re
from pathlib import Path

_ADDRESS = re.compile(r"(?P<scheme>https?|s3|gs|gcs|az|abfs):/+(?P<rest>.*)")


def url_of(path: Path) -> str | None:
    """Return the address that a path was made from; None for one on a disk.

    `Path` takes 'https://host/a.zarr' for 'https:/host/a.zarr': nothing is lost by
    that, and no function needs to know of addresses that only hands paths on.

    Parameters
    ----------
    path : Path
        A file, a folder or an address.
    """
    found = _ADDRESS.fullmatch(path.as_posix())
    return found and f"{found['scheme']}://{found['rest']}"


def shown(path: Path) -> str:
    """Return a path, or the address that it was made from, as a person writes it."""
    return url_of(path) or str(path)
