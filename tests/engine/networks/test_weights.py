"""Weights: there and back, names, imports, downloads; nothing unfit gets through."""

import dataclasses
import gc
import http.server
import json
import pickle
import shutil
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_mpi.engine.networks import catalogue
from napari_mpi.engine.networks.catalogue import (
    PUBLISHED,
    PublishedWeights,
    weights_names,
)
from napari_mpi.engine.networks.checkpoints import _authors_names
from napari_mpi.engine.networks.loading import (
    fetch_weights,
    import_weights,
    load_weights,
)
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.runtime.errors import WeightsError
from napari_mpi.engine.runtime.whole_files import sha256_of
from napari_mpi.engine.settings.network import NetworkConfig

SMALL = NetworkConfig(width=8, scales=2)


def same_state(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def output_of(weights):
    """Return what the network makes of a fixed image and mask, in train mode."""
    rng = torch.Generator().manual_seed(5)
    image = torch.rand((1, 3, 16, 16), generator=rng)
    masked = torch.rand((1, 1, 16, 16), generator=rng) < 0.3
    with torch.no_grad():
        return weights.to_network()(image, masked)


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


@pytest.fixture
def saved(small_weights, tmp_path):
    """Return a file of small weights with a provenance."""
    path = tmp_path / "mine.safetensors"
    provenance = {"mask": {"mask_ratio": [0.1, 0.9]}, "source": "our laboratory"}
    save_weights(dataclasses.replace(small_weights, provenance=provenance), path)
    return path


# There and back


def test_saved_weights_come_back_with_all_they_say(small_weights, saved):
    loaded = load_weights(saved)
    same_state(loaded.state, small_weights.state)
    assert loaded.network == SMALL
    assert loaded.provenance == {
        "mask": {"mask_ratio": [0.1, 0.9]},
        "source": "our laboratory",
    }
    assert loaded.name == "mine"
    assert loaded.sha256 == sha256_of(saved)


def test_network_of_loaded_weights_gives_the_same_output(small_weights, saved):
    assert torch.equal(output_of(load_weights(saved)), output_of(small_weights))


def test_network_is_trainable_and_leaves_the_weights_alone(small_weights):
    before = {name: value.clone() for name, value in small_weights.state.items()}
    network = small_weights.to_network()
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    network(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16, dtype=torch.bool))
    same_state(small_weights.state, before)


def test_weights_of_half_the_size_come_back_in_full(saved, tmp_path):
    weights, path = load_weights(saved), tmp_path / "half.safetensors"
    save_weights(weights, path, half=True)
    loaded = load_weights(path)
    assert path.stat().st_size < 0.7 * saved.stat().st_size
    assert (loaded.network, loaded.provenance) == (weights.network, weights.provenance)
    same_state(
        loaded.state,
        {
            name: value.half().float() if value.is_floating_point() else value
            for name, value in weights.state.items()
        },
    )
    save_weights(loaded, tmp_path / "again.safetensors", half=True)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_numbers_that_half_the_size_cannot_hold_are_named(small_weights, tmp_path):
    state = dict(small_weights.state) | {"head.bias": torch.full((3,), 1e6)}
    large = dataclasses.replace(small_weights, state=state)
    path = tmp_path / "half.safetensors"
    assert "'head.bias'" in refusal(save_weights, large, path, half=True)
    assert not path.exists()


def test_flipped_bits_of_half_numbers_are_noticed(small_weights, tmp_path):
    path = tmp_path / "half.safetensors"
    save_weights(small_weights, path, half=True)
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    assert "damaged" in refusal(load_weights, path)


def test_headers_of_before_there_were_widths_and_gates_are_read(saved, small_weights):
    """Files of earlier versions say neither 'widest' nor 'block'."""
    with safe_open(saved, framework="pt") as file:
        header = json.loads(file.metadata()["header"])
    del header["network"]["widest"], header["network"]["block"]
    metadata = {"format": "napari-mpi weights 1", "header": json.dumps(header)}
    save_file(dict(small_weights.state), saved, metadata)
    loaded = load_weights(saved)
    assert loaded.network == SMALL
    assert torch.equal(output_of(loaded), output_of(small_weights))


def test_saving_leaves_no_other_file(saved, home):
    assert {path for path in saved.parent.iterdir() if path != home} == {saved}


def test_weights_that_cannot_be_written_are_told(small_weights, tmp_path):
    (tmp_path / "file").write_text("a file")
    target = tmp_path / "file" / "mine.safetensors"
    message = refusal(save_weights, small_weights, target)
    assert str(target) in message
    assert "cannot be written" in message


# Random starts


def test_same_seed_gives_the_same_weights_and_another_others():
    same_state(random_weights(SMALL, seed=7).state, random_weights(SMALL, seed=7).state)
    one, other = random_weights(SMALL, seed=7), random_weights(SMALL, seed=8)
    assert not torch.equal(output_of(one), output_of(other))


def test_random_start_is_loaded_by_name_with_its_seed():
    loaded = load_weights("none", seed=7)
    same_state(loaded.state, random_weights(seed=7).state)
    assert loaded.name == "none"
    assert loaded.network == NetworkConfig()
    assert loaded.provenance["seed"] == 7


def test_random_numbers_of_others_are_left_alone(small_weights):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    random_weights(SMALL, seed=7).to_network()
    small_weights.to_network()
    assert torch.equal(torch.get_rng_state(), before)


def test_random_weights_do_not_depend_on_the_global_seed():
    torch.manual_seed(1)
    one = random_weights(SMALL, seed=7)
    torch.manual_seed(2)
    same_state(one.state, random_weights(SMALL, seed=7).state)


# Files that are refused


def test_flipped_bits_of_the_numbers_are_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[-40] ^= 1  # the least bit of a number, so that it stays finite
    saved.write_bytes(content)
    assert "damaged" in refusal(load_weights, saved)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_safetensors_are_refused(share, saved):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    message = refusal(load_weights, saved)
    assert str(saved) in message
    assert "damaged" in message


def test_safetensors_of_another_program_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"layer.weight": torch.zeros(2, 2)}, path)
    assert "not one of napari-mpi" in refusal(load_weights, path)


@pytest.mark.parametrize(
    "header",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"network": {"architecture": "unet"}}),
        json.dumps({"network": {"depth": 3}}),
        json.dumps({"network": dataclasses.asdict(SMALL), "provenance": 3}),
        json.dumps({"network": dataclasses.asdict(SMALL), "provenance": {}}),
    ],
)
def test_unreadable_header_is_refused(header, small_weights, tmp_path):
    path = tmp_path / "mine.safetensors"
    metadata = {"format": "napari-mpi weights 1", "header": header}
    save_file(dict(small_weights.state), path, metadata)
    assert f"header of {path}" in refusal(load_weights, path)


def test_header_of_another_network_is_refused(small_weights, tmp_path):
    path = tmp_path / "mine.safetensors"
    wider = dataclasses.replace(small_weights, network=NetworkConfig(width=9, scales=2))
    save_weights(wider, path)
    assert "does not fit the network" in refusal(load_weights, path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value, small_weights, tmp_path):
    state = {name: tensor.clone() for name, tensor in small_weights.state.items()}
    state["head.bias"][1] = value
    path = tmp_path / "mine.safetensors"
    save_weights(dataclasses.replace(small_weights, state=state), path)
    message = refusal(load_weights, path)
    assert "'head.bias'" in message
    assert "not finite" in message


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"I am a text.\nNo weights.\n"])
def test_text_and_empty_files_are_refused(content, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    message = refusal(load_weights, path)
    assert str(path) in message
    assert "damaged" in message or "is no " in message


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_checkpoint_is_told_as_damaged(share, tmp_path):
    path = tmp_path / "a.pth"
    saved_checkpoint(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "damaged" in refusal(load_weights, path)


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return Path.touch, (self.sentinel,)


@pytest.mark.parametrize("writer", [torch.save, "pickle"])
@pytest.mark.parametrize("use", [load_weights, import_weights])
def test_checkpoint_that_carries_code_is_refused_and_not_run(writer, use, tmp_path):
    sentinel, path = tmp_path / "was-run", tmp_path / "a.pth"
    content = {"params": Malicious(sentinel)}
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        writer(content, path)
    message = refusal(use, path)
    assert str(path) in message
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(content))
    assert sentinel.exists()  # so it would have run


def test_checkpoint_that_carries_code_is_called_dangerous(tmp_path):
    torch.save({"params": Malicious(tmp_path / "was-run")}, tmp_path / "a.pth")
    assert "could run as code" in refusal(load_weights, tmp_path / "a.pth")


def test_checkpoint_in_the_authors_layout_is_read(tmp_path):
    weights = saved_checkpoint(tmp_path / "a.pth")
    loaded = load_weights(tmp_path / "a.pth")
    same_state(loaded.state, weights.state)
    assert loaded.name == "a"


def without(params, key):
    return {name: value for name, value in params.items() if name != key}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: without(p, "net.9.1.bias"), "lacks entry 'head.bias'"),
        (lambda p: p | {"extra": torch.zeros(1)}, "unknown entry 'extra'"),
        (lambda p: p | {"net.9.1.bias": torch.zeros(4)}, "(4,), expected"),
        (lambda p: p | {"net.9.1.bias": torch.zeros(3).double()}, "torch.float64"),
        (lambda p: p | {"net.9.1.bias": torch.full((3,), torch.nan)}, "not finite"),
        (lambda p: without(p, "net.1.0.1.1.weight"), "first layer does not fit"),
        (lambda p: p | {"net.1.0.1.1.weight": torch.zeros(64, 5, 1, 1)}, "first layer"),
        (lambda p: {"layer.weight": torch.zeros(2)}, "first layer does not fit"),
        (lambda p: {}, "first layer does not fit"),
        (lambda p: [1, 2], "no table of tensors 'params'"),
        (lambda p: p | {"epoch": 3}, "no table of tensors 'params'"),
    ],
    ids=[
        "lacking",
        "unknown",
        "shape",
        "type",
        "nan",
        "no-first",
        "first",
        "other",
        "none",
        "list",
        "number",
    ],
)
def test_checkpoint_that_does_not_fit_is_refused(change, said, tmp_path):
    path = tmp_path / "a.pth"
    saved_checkpoint(path, change)
    message = refusal(load_weights, path)
    assert str(path) in message
    assert said in message


@pytest.mark.parametrize(
    "content",
    [{"state_dict": {"a": torch.zeros(2)}}, torch.zeros(3), [1, 2]],
    ids=["state_dict", "tensor", "list"],
)
def test_checkpoint_of_another_program_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    message = refusal(load_weights, tmp_path / "a.pth")
    assert "no table of tensors 'params'" in message


# Names


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


# Imports


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


# Downloads

left_open_by_pooch = pytest.mark.filterwarnings(
    "ignore:unclosed .*socket:ResourceWarning"
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; files named half-* break off in the middle."""

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        if not self.path.startswith("/half-"):
            return super().do_GET()
        content = (Path(self.directory) / self.path.lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a folder on the loopback; return it and its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()

    def handler(*arguments):
        return Handler(*arguments, directory=str(folder))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()
    gc.collect()  # now, so that what pooch leaves open is not told to another test


@pytest.fixture
def publish(monkeypatch):
    """Return a function that publishes weights under the name 'small'."""

    def published(url, sha256):
        entry = PublishedWeights("small", url, sha256, "a test", {"source": "a test"})
        monkeypatch.setitem(catalogue.PUBLISHED, "small", entry)
        return entry

    return published


def cached_files(home):
    return [path for path in (home / "cache").rglob("*") if path.is_file()]


@left_open_by_pooch
def test_published_weights_are_fetched_once(server, publish, saved, small_weights):
    folder, address = server
    shutil.copyfile(saved, folder / "a.safetensors")
    entry = publish(f"{address}/a.safetensors", sha256_of(saved))
    loaded = load_weights("small")
    (folder / "a.safetensors").unlink()
    again = load_weights("small")
    same_state(loaded.state, small_weights.state)
    same_state(again.state, small_weights.state)
    assert isinstance(loaded, Weights)
    assert (loaded.name, loaded.provenance) == ("small", {"source": "a test"})
    assert fetch_weights("small") == entry.path
    assert sha256_of(entry.path) == entry.sha256


@left_open_by_pooch
def test_damaged_file_in_the_cache_is_fetched_again(server, publish, saved):
    folder, address = server
    shutil.copyfile(saved, folder / "a.safetensors")
    entry = publish(f"{address}/a.safetensors", sha256_of(saved))
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(b"half")
    assert sha256_of(fetch_weights("small")) == entry.sha256


@left_open_by_pooch
def test_download_with_another_sum_is_refused_and_not_kept(
    server, publish, saved, home
):
    folder, address = server
    shutil.copyfile(saved, folder / "a.safetensors")
    entry = publish(f"{address}/a.safetensors", "0" * 64)
    message = refusal(load_weights, "small")
    assert entry.url in message
    assert cached_files(home) == []


@left_open_by_pooch
def test_download_that_breaks_off_is_refused_and_not_kept(server, publish, saved, home):
    folder, address = server
    shutil.copyfile(saved, folder / "half-a.safetensors")
    publish(f"{address}/half-a.safetensors", sha256_of(saved))
    assert "could not be fetched" in refusal(load_weights, "small")
    assert cached_files(home) == []


@left_open_by_pooch
def test_page_that_is_not_there_is_told(server, publish, home):
    _, address = server
    publish(f"{address}/none.safetensors", "0" * 64)
    assert "404" in refusal(load_weights, "small")
    assert cached_files(home) == []


def test_without_network_it_is_told_where_to_put_the_file(
    publish, saved, small_weights, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but nobody listens
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        entry = publish(f"{address}/a.safetensors", sha256_of(saved))
        message = refusal(load_weights, "small")
    assert entry.url in message
    assert str(entry.path) in message
    assert "weights import" in message
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(saved, entry.path)
    same_state(load_weights("small").state, small_weights.state)


def test_only_published_names_can_be_fetched():
    message = refusal(fetch_weights, "none")
    assert "'none'" in message
    assert all(name in message for name in PUBLISHED)


def test_state_of_random_weights_is_finite():
    for name, value in random_weights(SMALL, seed=0).state.items():
        assert np.isfinite(value.numpy()).all(), name


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_saved_weights_can_be_read_by_whoever_may_read_other_new_files(
    small_weights, tmp_path
):
    save_weights(small_weights, tmp_path / "lab.safetensors")
    (tmp_path / "other").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir() if path.is_file()}
    assert len(modes) == 1


def test_equal_weights_give_equal_files(small_weights, tmp_path):
    found = set()
    for number in range(20):  # the order of what is written was drawn anew each time
        save_weights(small_weights, tmp_path / f"{number}.safetensors")
        found.add(sha256_of(tmp_path / f"{number}.safetensors"))
    assert len(found) == 1
    again = load_weights(tmp_path / "0.safetensors")
    assert all(again.state[n].equal(v) for n, v in small_weights.state.items())
