"""What a batch is asked to do."""

from dataclasses import dataclass, replace
from pathlib import Path

from napari_mpi.engine.batch.items import Folders
from napari_mpi.engine.method import Method


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Everything that a batch needs to know.

    Parameters
    ----------
    folders : Folders
        Where images are, and where results go.
    method : Method
        How to denoise them all.
    adapt_once : bool
        Whether files of equal channel count and pixel type share one adaptation.
    overwrite : bool
        Whether results that are up to date are made anew, and files that are in the
        way replaced.
    retry_failed : bool
        Whether only the files are tried that failed before.
    """

    folders: Folders
    method: Method
    adapt_once: bool = False
    overwrite: bool = False
    retry_failed: bool = False

    def with_whole_paths(self) -> "BatchRequest":
        """Return the same with paths that hold in any folder, and on any machine."""
        folders = replace(
            self.folders,
            source=self.folders.source.absolute(),
            output=self.folders.output.absolute(),
        )
        weights = Path(self.method.weights)
        whole = str(weights.absolute() if weights.is_file() else weights)
        return replace(
            self, folders=folders, method=replace(self.method, weights=whole)
        )
