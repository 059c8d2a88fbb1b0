"""Weights files there and back, and which are refused."""

import dataclasses
import json
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_mpi.engine.networks.loading import (
    load_weights,
)
from napari_mpi.engine.networks.weight_files import save_weights
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
        "[" * 100_000,
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
