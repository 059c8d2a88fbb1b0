"""The report of a batch: a table for people, and all of it for programs."""

import csv
import importlib.metadata
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_mpi.batch.outcomes import Outcome, as_json
from napari_mpi.batch.request import BatchRequest
from napari_mpi.engine.runtime.errors import DiskError
from napari_mpi.engine.runtime.whole_files import whole_file

CSV_NAME, JSON_NAME = "napari-mpi-report.csv", "napari-mpi-report.json"
"""Files of the output folder."""

_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")

COLUMNS = (
    "file", "status", "message", "output", "shape", "axes", "dtype", "seconds",
    "noise_before", "noise_after", "settings",
)  # fmt: skip


def write_report(request: BatchRequest, outcomes: Sequence[Outcome]) -> None:
    """Write the report into the output folder, as CSV and JSON.

    Parameters
    ----------
    request : BatchRequest
        What was asked for.
    outcomes : sequence of Outcome
        A row each, in order.

    Raises
    ------
    DiskError
        If it cannot be written.
    """
    output = request.folders.output
    try:
        output.mkdir(parents=True, exist_ok=True)
        _write(output / CSV_NAME, _as_csv(outcomes))
        _write(output / JSON_NAME, json.dumps(_as_json(request, outcomes), indent=1,
                                              ensure_ascii=False))  # fmt: skip
    except OSError as error:
        raise DiskError(
            f"the report cannot be written to {output} ({error.strerror or error}):"
            " make room"
        ) from error


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        # File names may hold bytes that are no letters; in JSON too it is an escape.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def _as_csv(outcomes: Sequence[Outcome]) -> str:
    text = io.StringIO()
    text.write("\ufeff")  # by which spreadsheets know that it is UTF-8
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    for outcome in outcomes:
        row = {name: as_json(outcome)[name] for name in COLUMNS}
        row["shape"] = " x ".join(map(str, outcome.shape or ()))
        row["settings"] = _in_short(outcome.settings)
        table.writerow({name: _as_text(value) for name, value in row.items()})
    return text.getvalue()


def _as_text(value: Any) -> Any:
    """Keep a spreadsheet from taking a file's name for a formula, by an apostrophe."""
    if isinstance(value, str) and value.startswith(_BEGIN_FORMULAS):
        return f"'{value}"
    return value


def _in_short(made: dict[str, Any]) -> str:
    """Return what tells results apart, without what weights say of their own making."""
    if not made:
        return ""
    weights = {name: made["weights"][name] for name in ("name", "sha256")}
    kept = {**made["settings"], "weights": weights, "device": made["device"]}
    return json.dumps(kept, sort_keys=True)


def _as_json(request: BatchRequest, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    folders, method = request.folders, request.method
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.status.value] = counts.get(outcome.status.value, 0) + 1
    return {
        "version": importlib.metadata.version("napari-mpi"),
        "input": str(folders.source),
        "output": str(folders.output),
        "pattern": folders.pattern,
        "recursive": folders.recursive,
        "weights": method.weights,
        "adapt_once": request.adapt_once,
        "counts": counts,
        "files": [as_json(outcome) for outcome in outcomes],
    }
