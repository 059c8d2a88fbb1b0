"""Weights by their names: published, imported, unknown."""

import shutil

import pytest
import torch

from napari_mpi.engine.networks.catalogue import (
    PUBLISHED,
    weights_names,
)
from napari_mpi.engine.networks.checkpoints import _authors_names
from napari_mpi.engine.networks.loading import (
    import_weights,
    load_weights,
)
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.errors import WeightsError
from napari_mpi.engine.runtime.whole_files import sha256_of


def same_state(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def refusal(function, *arguments, **options):
    """Return the one sentence of a WeightsError."""
    with pytest.raises(WeightsError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def saved_checkpoint(path, change=lambda params: params):
    """Save random weights in the layout of the paper's authors; return them too."""
    weights = random_weights(seed=3)
    ours = {name: theirs for theirs, name in _authors_names(weights.network).items()}
    params = {ours[name]: value.clone() for name, value in weights.state.items()}
    torch.save({"params": change(params)}, path)
    return weights


@pytest.mark.parametrize("path", ["none.pth", "sub/mine", "mine.safetensors"])
def test_missing_file_is_told(path, tmp_path):
    assert "check the path" in refusal(load_weights, tmp_path / path)


def test_unknown_name_lists_the_choices(saved):
    import_weights(saved, name="lab")
    message = refusal(load_weights, "labs")
    assert "'labs'" in message
    assert all(name in message for name in ("none", *PUBLISHED, "lab,", "a file"))


def test_published_names_are_known_without_a_file():
    published = ["mpi-pixelwise-30", "mpi-shared-80-95"]
    assert weights_names() == ["auto", "grey", "none", *published]
    masks = {name: entry.provenance["mask"] for name, entry in PUBLISHED.items()}
    assert masks == {
        "mpi-pixelwise-30": {"mask_ratio": [0.30, 0.30], "shared": False},
        "mpi-shared-80-95": {"mask_ratio": [0.80, 0.95], "shared": True},
    }


def test_published_sums_are_those_of_the_authors_files(authors_weights):
    found = {name: sha256_of(path) for name, path in authors_weights.items()}
    assert found == {name: entry.sha256 for name, entry in PUBLISHED.items()}


def test_imported_weights_are_found_by_name(small_weights, saved):
    imported = import_weights(saved, name="lab")
    saved.unlink()
    loaded = load_weights("lab")
    same_state(loaded.state, small_weights.state)
    assert "lab" in weights_names()
    assert loaded.name == imported.name == "lab"
    assert loaded.sha256 == imported.sha256
    assert loaded.provenance["source"] == "our laboratory"


def test_imported_weights_are_called_as_their_file_by_default(saved):
    assert import_weights(saved).name == "mine"
    assert weights_names()[-1] == "mine"


def test_imported_checkpoint_is_kept_as_safetensors(tmp_path, home):
    weights = saved_checkpoint(tmp_path / "tuned.pth")
    import_weights(tmp_path / "tuned.pth")
    same_state(load_weights("tuned").state, weights.state)
    kept = [path.name for path in (home / "weights").iterdir()]
    assert kept == ["tuned.safetensors"]


@pytest.mark.parametrize("name", ["lab.v2", "lab.pth", "lab.safetensors"])
def test_every_name_that_an_import_takes_can_be_loaded(name, small_weights, saved):
    try:
        import_weights(saved, name=name)
    except WeightsError:
        return  # refused in words: as good
    same_state(load_weights(name).state, small_weights.state)


@pytest.mark.parametrize("name", ["lab", "none", "mpi-pixelwise-30"])
def test_taken_name_is_refused(name, saved, home):
    import_weights(saved, name="lab")
    before = {path: path.read_bytes() for path in (home / "weights").iterdir()}
    message = refusal(import_weights, saved, name=name)
    assert f"'{name}'" in message
    assert "choose another" in message
    after = {path: path.read_bytes() for path in (home / "weights").iterdir()}
    assert after == before


@pytest.mark.parametrize("name", ["../evil", "sub/lab", "/tmp/evil", "..", ".hidden"])
def test_name_like_a_path_is_refused(name, saved, home):
    before = sorted(saved.parent.rglob("*"))
    assert repr(name) in refusal(import_weights, saved, name=name)
    assert sorted(saved.parent.rglob("*")) == before


def test_unfit_file_is_not_imported(tmp_path, home):
    (tmp_path / "a.pth").write_text("a text")
    refusal(import_weights, tmp_path / "a.pth")
    assert not home.exists()


@pytest.mark.parametrize("name", ["mpi-pixelwise-30", "mpi-shared-80-95"])
def test_authors_checkpoint_is_recognised_and_used_offline(
    name, authors_weights, tmp_path, monkeypatch
):
    def offline(*_, **__):
        pytest.fail("the network was asked")

    monkeypatch.setattr("pooch.retrieve", offline)
    file = tmp_path / "renamed.pth"
    shutil.copyfile(authors_weights[name], file)
    imported = import_weights(file)
    file.unlink()
    loaded = load_weights(name)
    assert imported.name == loaded.name == name
    assert loaded.sha256 == PUBLISHED[name].sha256
    assert loaded.provenance["source"] == "https://github.com/krennic999/MPI"
    assert loaded.network.mask_channels == (3 if name == "mpi-pixelwise-30" else 1)
    assert weights_names() == ["auto", "grey", "none", *PUBLISHED]
