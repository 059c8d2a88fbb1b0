"""Precision: measured, kept, and what was asked for otherwise."""

import json

import pytest
import torch

from napari_mpi.engine.runtime import precision
from napari_mpi.engine.runtime.folders import cache_folder
from napari_mpi.engine.runtime.precision import resolve_precision

CPU = torch.device("cpu")


@pytest.fixture
def fresh():
    precision._kept_choice.cache_clear()
    yield precision._kept_choice.cache_clear
    precision._kept_choice.cache_clear()


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_what_was_asked_for_is_not_measured(asked, fresh, monkeypatch):
    monkeypatch.setattr(precision, "_bfloat16_is_faster", None)
    assert resolve_precision(asked, CPU) == asked


@pytest.mark.parametrize(("faster", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_the_choice_is_measured_once_and_kept(faster, chosen, fresh, monkeypatch):
    monkeypatch.setattr(precision, "_bfloat16_is_faster", lambda: faster)
    assert resolve_precision("auto", CPU) == chosen
    fresh()
    monkeypatch.setattr(precision, "_bfloat16_is_faster", lambda: not faster)
    assert resolve_precision("auto", CPU) == chosen


@pytest.mark.parametrize("content", ["", "{", "[]", "[1]", '{"another machine": true}'])
def test_a_spoilt_cache_is_measured_anew(content, fresh, monkeypatch):
    path = cache_folder() / "precision.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    monkeypatch.setattr(precision, "_bfloat16_is_faster", lambda: True)
    assert resolve_precision("auto", CPU) == "bfloat16"
    assert True in json.loads(path.read_text()).values()


def test_a_cache_that_cannot_be_written_is_no_matter(fresh, monkeypatch):
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file where the folder should be")
    monkeypatch.setattr(precision, "_bfloat16_is_faster", lambda: False)
    assert resolve_precision("auto", CPU) == "float32"
