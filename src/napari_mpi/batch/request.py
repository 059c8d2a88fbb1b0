"""What a batch is asked to do: folders, files, and how to denoise them."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from napari_mpi.batch.outcomes import Outcome, Status
from napari_mpi.engine.files.formats import NIFTI, PICTURE, TIFF, ZARR
from napari_mpi.engine.files.ngff.plates import plate_of
from napari_mpi.engine.files.tiff.files import READ_ONLY
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.method import Method

SUFFIX = "-denoised"
"""What a result's name has besides its source's."""

HIDDEN = ".napari-mpi"
"""Name of the folder, in that of the results, where records are kept."""

_ENDINGS = tuple(
    before + suffix
    for kind in (TIFF, ZARR, NIFTI)  # what is written in its own format
    for suffix in kind.suffixes
    if suffix not in READ_ONLY
    for before in ("", ".ome")
)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where to look for images, and where their results go.

    Parameters
    ----------
    source : Path
        Folder of images.
    output : Path
        Folder of results, which mirrors the other; made when the first is written.
    pattern : str
        Names of the files to take, such as ``*.tif`` or ``*.tif; *.png``; with a slash
        in it, the whole path below the source. Letters' case does not count.
    recursive : bool
        Whether to look into the folders of the folder.
    suffix : str
        What a result's name has besides its source's.

    Raises
    ------
    ConfigError
        If the folders are the same, or the images lie in that of the results, or the
        suffix cannot be part of a name.
    """

    source: Path
    output: Path
    pattern: str = "*"
    recursive: bool = False
    suffix: str = SUFFIX

    def __post_init__(self) -> None:
        self._require_apart()
        if not self.patterns:
            raise ConfigError("the pattern is empty: give one such as *.tif, or *")
        if set(self.suffix) & set('/\\:*?"<>|\0'):
            raise ConfigError(
                f"the suffix {self.suffix!r} cannot be part of a file's name: use"
                " letters, digits, - and _"
            )

    def _require_apart(self) -> None:
        """Raise unless results can never come to lie among the images."""
        try:
            source, output = self.source.resolve(), self.output.resolve()
            is_one = source == output or is_same(source, output)
        except (OSError, RuntimeError) as error:  # a link that leads to itself
            raise ConfigError(
                f"{self.source} or {self.output} cannot be looked at: {error}"
            ) from error
        if is_one:
            raise ConfigError(
                f"the output folder {self.output} is the input itself: choose another,"
                " such as a folder in it"
            )
        if output in source.parents:
            raise ConfigError(
                f"the input {self.source} lies in the output folder {self.output}, so"
                " that results would come to lie among the images: choose another"
            )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns one by one."""
        parts = (part.strip() for part in self.pattern.replace("\\", "/").split(";"))
        return tuple(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a folder.

    Parameters
    ----------
    name : str
        Its path below the source folder, with slashes.
    source : Path
        The file, or the folder of an OME-Zarr or a DICOM series.
    output : Path
        Where its result goes.
    size : int
        Bytes, by which the work is measured ahead.
    status : Status
        WAITING, or SKIPPED or FAILED for what will not be tried.
    message : str
        Why it will not.
    """

    name: str
    source: Path
    output: Path
    size: int = 0
    status: Status = Status.WAITING
    message: str = ""


def item_of(
    folders: Folders, path: Path, status: Status = Status.WAITING, message: str = ""
) -> Item:
    """Return the item of a file, or of a folder that is an image."""
    below = path.relative_to(folders.source)
    name = below.as_posix() if below.parts else path.resolve().name
    output = folders.output / Path(name).parent / _output_name(path, folders.suffix)
    plate = plate_of(path) if status is Status.WAITING and path.is_dir() else None
    if plate is not None:  # a field, in a plate of the result's name
        inside = path.relative_to(plate)
        if plate == folders.source:
            above = folders.output
        else:
            above = folders.output / plate.relative_to(folders.source).parent
        output = above / _output_name(plate, folders.suffix) / inside
    return Item(name, path, output, status=status, message=message)


def _output_name(path: Path, suffix: str) -> str:
    """Return a result's name: of the source's format, pictures as TIFF."""
    name = path.name or path.resolve().name
    kept = [end for end in _ENDINGS if name.lower().endswith(end)]
    if kept:
        end = max(kept, key=len)
        return f"{name[: -len(end)]}{suffix}{name[-len(end) :]}"
    if PICTURE.names(path) or name.lower().endswith(READ_ONLY):
        return f"{PurePosixPath(name).stem}{suffix}.tif"
    return f"{name.replace('.', '_')}{suffix}"  # a folder of DICOM


def is_same(path: Path, other: Path) -> bool:
    """Return whether both are there, and are one."""
    return other.exists() and path.exists() and path.samefile(other)


def said(error: OSError) -> str:
    """Return what the system says of an error, as the end of a sentence."""
    return (error.strerror or str(error)).lower()


Plan = list[tuple[Item, Outcome]]
"""Every file, and what is known of it before the work."""


def outcome_of(item: Item, folders: Folders) -> Outcome:
    """Return the row of a file of which nothing but its name is known."""
    output = item.output.relative_to(folders.output).as_posix()
    return Outcome(item.name, output, item.status, item.message)


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
        method = self.method.with_whole_path()
        return replace(self, folders=folders, method=method)
