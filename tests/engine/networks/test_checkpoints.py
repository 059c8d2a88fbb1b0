"""Checkpoints of other programs: read without running code, or refused."""

import pickle
from pathlib import Path

import pytest
import torch

from napari_mpi.engine.networks.checkpoints import _authors_names
from napari_mpi.engine.networks.loading import (
    import_weights,
    load_weights,
)
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.errors import WeightsError


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


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return Path.touch, (self.sentinel,)


def without(params, key):
    return {name: value for name, value in params.items() if name != key}


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_checkpoint_is_told_as_damaged(share, tmp_path):
    path = tmp_path / "a.pth"
    saved_checkpoint(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "damaged" in refusal(load_weights, path)


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
        (lambda p: p | {"net.9.1.bias": torch.zeros(3).to_sparse()}, "no plain table"),
        (lambda p: p | {"net.9.1.bias": torch.zeros(3, device="meta")}, "no plain"),
        (
            lambda p: p | {"net.1.0.1.1.weight": torch.zeros(4, device="meta")},
            "first layer",
        ),
        (
            lambda p: (
                p
                | {
                    "net.1.0.1.1.weight": torch.nested.nested_tensor(
                        [torch.zeros(2), torch.zeros(3)]
                    )
                }
            ),
            "first layer",
        ),
        (lambda p: p | {"net.9.1.bias": torch.full((3,), 1e30)}, "values beyond 1e+12"),
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
        "sparse",
        "meta",
        "meta-first",
        "nested-first",
        "huge",
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
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
