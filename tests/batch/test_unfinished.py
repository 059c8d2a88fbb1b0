"""What a batch has done of an OME-Zarr when it ends is not done again by the next."""

import numpy as np
import pytest

from napari_mpi.batch.discovery import discover
from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.request import HIDDEN, BatchRequest, Folders
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.unfinished import Unfinished
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

pytest.importorskip("zarr", reason="the extra is not installed")


@pytest.fixture
def request_(tmp_path, rng, small_grey_weights):
    """Return what is asked for: one stack."""
    (tmp_path / "images").mkdir()
    noisy = rng.poisson(500, (5, 40, 50)).astype(np.uint16)
    write_image(tmp_path / "images" / "stack.zarr", ImageFile(noisy, "ZYX"))
    save_weights(small_grey_weights, tmp_path / "small.safetensors")
    config = preset("blind-fast", iterations=2, precision="float32", guard=False)
    method = Method(config, str(tmp_path / "small.safetensors"), "cpu")
    folders = Folders(tmp_path / "images", tmp_path / "results", recursive=True)
    return BatchRequest(folders, method)


def test_the_next_run_goes_on_where_this_one_was_cancelled(request_, monkeypatch):
    written = []
    write = Unfinished.write

    def noting(self, index, block):
        write(self, index, block)
        written.append(index[0].start)

    monkeypatch.setattr(Unfinished, "write", noting)
    job = run_batch(request_)
    for _ in job:
        if len(written) == 2:
            break
    job.close()
    results = request_.folders.output
    assert not (results / "stack-denoised.zarr").exists()
    state = run(run_batch(request_))
    assert [outcome.status for outcome in state.outcomes] == [Status.DONE]
    assert sorted(written) == [0, 1, 2, 3, 4]
    assert read_image(results / "stack-denoised.zarr").array.shape == (5, 40, 50)
    left = {path.suffix for path in (results / HIDDEN / "items").iterdir()}
    assert not left & {".work", ".kept"}


def test_what_is_unfinished_is_no_image_of_a_folder(request_):
    images = request_.folders.source
    unfinished = Unfinished(images / "other.zarr")
    (unfinished.folder / "image.zarr").mkdir(parents=True)
    (unfinished.folder / "plan.json").write_text("{}")
    names = [item.name for item in discover(request_.folders)]
    assert names == ["stack.zarr"]
