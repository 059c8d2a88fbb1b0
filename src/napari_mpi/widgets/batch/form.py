"""What a person chooses in the Batch widget, and the request that comes of it."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, FileEdit, LineEdit
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mpi.batch.request import SUFFIX, BatchRequest, Folders
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.runtime.errors import ConfigError, EngineError
from napari_mpi.widgets.forms.command_line import method_words
from napari_mpi.widgets.forms.method_form import MethodForm
from napari_mpi.widgets.forms.settings_form import Form

_RESULTS = "denoised"  # folder of results that is proposed
_ALL = "*"


class BatchForm(QWidget):
    """Folders, and how to denoise what is in them."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._proposed = Path()
        self._make_entries()
        self._explain()
        self._lay_out()
        self.method.again_button.hide()
        self.method.recall("batch")
        self.input.changed.connect(self._propose_output)
        for entry in (self.input, self.output, self.pattern, self.suffix, self.axes):
            entry.changed.connect(self._on_change)

    # -- what comes of it --------------------------------------------------------

    def problem(self) -> str | None:
        """Return why it cannot be started, in a sentence, or None."""
        source, output = _path(self.input), _path(self.output)
        if source is None:
            return "choose a folder of images"
        if not source.is_dir():
            return f"there is no folder {source}: choose another as the input"
        if output is None:
            return "choose a folder for the results"
        if output.is_file():
            return f"{output} is a file: choose a folder for the results"
        try:
            self.folders()
            self._named_axes()
        except EngineError as error:
            return str(error)
        return None

    def folders(self) -> Folders:
        """Return where the images are and where their results go.

        Raises
        ------
        ConfigError
            If the folders are the same, or pattern or suffix cannot be used.
        """
        return Folders(
            source=_path(self.input) or Path(),
            output=_path(self.output) or Path(),
            pattern=self.pattern.value.strip(),
            recursive=self.recursive.value,
            suffix=self.suffix.value.strip(),
        )

    def request(self, *, retry_failed: bool = False) -> BatchRequest:
        """Return what was chosen.

        Parameters
        ----------
        retry_failed : bool
            Whether only the files are meant that failed before.

        Raises
        ------
        EngineError
            If a folder or a setting cannot be used.
        """
        problem = self.problem()
        if problem is not None:
            raise ConfigError(problem)
        return BatchRequest(
            folders=self.folders(),
            method=self.method.chosen(self._named_axes()),
            adapt_once=self.adapt_once.value,
            overwrite=self.overwrite.value,
            retry_failed=retry_failed,
        )

    meant: str | None = None
    """What the command line would do beyond what is meant: nothing."""

    def command(self) -> str:
        """Return the command line that does the same.

        Raises
        ------
        EngineError
            If a folder or a setting cannot be used.
        """
        request = self.request()
        folders = request.folders
        words = ["napari-mpi", "batch", str(folders.source), str(folders.output)]
        words += [f"--pattern={folders.pattern}"] if folders.pattern != _ALL else []
        words += ["--recursive"] if folders.recursive else []
        # In one word, for it begins with a hyphen as options do.
        words += [f"--suffix={folders.suffix}"] if folders.suffix != SUFFIX else []
        words += ["--adapt-once"] if request.adapt_once else []
        words += ["--overwrite"] if request.overwrite else []
        how = method_words(self.method.preset_name, request.method)
        return shlex.join([*words, *how])

    def take(self, paths: Sequence[Path]) -> str | None:
        """Choose a folder, or files of one folder, that a person has dropped.

        Returns
        -------
        str, optional
            Why that cannot be, in a sentence.
        """
        folders = {path if path.is_dir() else path.parent for path in paths}
        if len(folders) != 1:
            return "drop one folder, or files of one folder: a batch has one input"
        self.input.value = folders.pop()
        names = [path.name for path in paths if not path.is_dir()]
        self.pattern.value = "; ".join(sorted(names)) if names else _ALL
        return None

    # -- how it hangs together ---------------------------------------------------

    def _make_entries(self) -> None:
        self.input = FileEdit(name="input", label="Input", mode="d", value="")
        self.pattern = LineEdit(name="pattern", label="Pattern", value=_ALL)
        self.recursive = CheckBox(name="recursive", text="Look into subfolders")
        self.output = FileEdit(name="output", label="Output", mode="d", value="")
        self.suffix = LineEdit(name="suffix", label="Name suffix", value=SUFFIX)
        self.axes = LineEdit(name="axes", label="Axes", value="")
        self.adapt_once = CheckBox(
            name="adapt_once", text="Adapt once for similar files"
        )
        self.overwrite = CheckBox(
            name="overwrite", text="Replace results that are there"
        )
        self.recursive.label = self.adapt_once.label = self.overwrite.label = ""

    def _explain(self) -> None:
        self.input.tooltip = "the folder of images"
        self.pattern.tooltip = "names to take, such as *.tif; several separated by ;"
        self.recursive.tooltip = "the results' folder has the same subfolders"
        self.output.tooltip = "the folder of results; it is made if it is not there"
        self.suffix.tooltip = "what a result's name has besides its source's"
        self.axes.tooltip = (
            "what each dimension is, such as ZYX; as each file says if left empty"
        )
        self.adapt_once.tooltip = (
            "adapt once to all files of equal channel count and pixel type, then only"
            " fill each: faster, and alike for all"
        )
        self.overwrite.tooltip = "or else what is up to date is skipped"

    def _lay_out(self) -> None:
        details: list[ValueWidget[Any]] = [self.suffix, self.axes]
        details += [self.adapt_once, self.overwrite]
        self.method = MethodForm(
            above=(self.input, self.pattern, self.recursive, self.output),
            folded=(Form(details),),
        )
        self.command_button = self.method.command_button
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.method)
        self.setLayout(layout)

    def _on_change(self, _: Any = None) -> None:
        self.changed.emit()

    def _propose_output(self, _: Any = None) -> None:
        """Propose a folder in the input, unless a person has named another."""
        source = _path(self.input)
        if source is None or _path(self.output) not in (None, self._proposed):
            return
        self._proposed = source / _RESULTS
        self.output.value = self._proposed

    def _named_axes(self) -> str | None:
        """Return the axes that were written, or None.

        Raises
        ------
        AxesError
            If a letter is unknown, there twice, or missing.
        """
        axes = self.axes.value.strip().upper()
        if axes:
            ImageAxes(axes, (3,) * len(axes))
        return axes or None


def _path(entry: FileEdit) -> Path | None:
    """Return the path that an entry has, or None if it is empty."""
    path = Path(entry.value)
    return None if path == Path() else path.expanduser()
