"""What a form was set to when it was last used, for the next time it is opened."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.engine.runtime.folders import data_folder
from napari_mpi.engine.runtime.whole_files import whole_file

_NAME = "last-used.json"


def recalled(form: str) -> dict[str, Any]:
    """Return what was kept of a form; nothing if there is nothing that can be read."""
    with suppress(OSError, ValueError):
        kept = json.loads((data_folder().parent / _NAME).read_text("utf-8"))
        values = kept.get(form) if isinstance(kept, dict) else None
        return values if isinstance(values, dict) else {}
    return {}


def keep(form: str, values: Mapping[str, Any]) -> None:
    """Keep JSON values of a form; where that cannot be done, they are forgotten."""
    path = data_folder().parent / _NAME
    everything: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        read = json.loads(path.read_text("utf-8"))
        everything = read if isinstance(read, dict) else {}
    with suppress(OSError, EngineError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as target:
            target.write_text(json.dumps({**everything, form: dict(values)}), "utf-8")
