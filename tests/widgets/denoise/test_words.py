"""What a run says of itself: one line, and one story."""

import dataclasses
from types import SimpleNamespace

import pytest

from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.settings.presets import GUARDED
from napari_mpi.widgets.denoise.jobs.asked import Finished
from napari_mpi.widgets.denoise.words import end_in_words, one_story, stage_in_words

PLAIN = NoiseFindings(
    level=161.7, strength=0.2, signal_dependence=0.6, correlation=0.0, detail=0.1
)


def test_the_end_is_told_in_a_line():
    told = end_in_words("Done in 12 s", [PLAIN], Finished("q", 23.42, 35.63), [])
    assert told == (
        "Done in 12 s: noise of about 162 grey levels, like a camera's;"
        " 23.4 \N{RIGHTWARDS ARROW} 35.6 dB"
    )


def test_of_several_channels_the_noise_is_told_from_the_least_to_the_most():
    others = [dataclasses.replace(PLAIN, level=level) for level in (300.0, 40.0)]
    told = end_in_words("Done in 12 s", [PLAIN, *others], Finished(), [])
    assert told == "Done in 12 s: noise of about 40 to 300 grey levels"


def test_what_must_be_known_stands_below():
    told = end_in_words("Done in 1 s", [], Finished(), ["5 % of the pixels ..."])
    assert told == "Done in 1 s\n5 % of the pixels ..."


def test_what_was_found_and_what_was_done_do_not_contradict_each_other():
    (told,) = one_story([PLAIN], [GUARDED])
    assert told != GUARDED
    assert "turned out to share noise" in told
    shared = dataclasses.replace(PLAIN, correlation=0.6)
    assert shared.is_correlated
    assert one_story([shared], [GUARDED]) == [GUARDED]
    assert "shared by neighbouring pixels" in shared.in_short()


@pytest.mark.parametrize(
    ("planes", "stage", "words"),
    [
        (90, "iteration 5 of up to 100", "Plane 14 of 90"),
        (1, "iteration 5 of up to 100", "Learning the image"),
        (1, "12 iterations, last passes", "Last passes"),
        (1, "reading, 30%", "Reading, 30%"),
        (1, "looking at the noise", "Looking at the noise"),
    ],
)
def test_the_stage_is_told_without_jargon(planes, stage, words):
    snapshot = SimpleNamespace(planes=planes, plane=13, stage=stage)
    assert stage_in_words(snapshot) == words
