"""Volumes in regions: at once or in parts, in any order, killed or not: equal bytes."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from napari_mpi.engine.denoising.adapted.kept import read_adapted
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.file import denoise_file, open_file
from napari_mpi.engine.denoising.regions import volume as volumes
from napari_mpi.engine.denoising.regions.volume import Volume
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.ngff.unfinished import Unfinished
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError, WeightsError
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

zarr = pytest.importorskip("zarr", reason="the extra is not installed")


def tree(folder):
    """Return all files of a folder by their names, with what they hold."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def whole(made, several):
    """Return the result of one run."""
    return tree(made / "whole.zarr")


def test_a_volume_becomes_what_its_planes_become(volume, noisy, source, method):
    """As one region, what `denoise` makes of the array; to a grey level or two."""
    opened = volume()
    written = run(opened.denoise())
    result = read_image(opened.output).array
    weights = load_weights(method.weights, seed=0)
    task = prepare(noisy, "CZYX", weights=weights, config=method.config, device="cpu")
    plain = run(denoise(task))
    assert np.abs(result.astype(int) - plain).max() <= 2
    assert written.state.merged
    assert not Unfinished(opened.output).folder.exists()


def test_what_holds_no_measurement_comes_back_and_is_told(volume, noisy):
    opened = volume()
    written = run(opened.denoise())
    result = read_image(opened.output).array
    np.testing.assert_array_equal(result[1, :, 10:40, 20:60], 0)
    note = written.state.notes_on(opened.task.config)[0]
    share = 100 * 30 * 40 / (2 * 70 * 90)
    assert note.startswith(f"{share:.2g} % of the pixels lie in areas of one")


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (4, 1, 5, 3, 2)])
def test_parts_in_any_order_equal_the_whole_to_the_byte(
    order, volume, several, adaptation, whole, tmp_path
):
    parts = [run(volume("parts.zarr").part(n, 5, adaptation)) for n in order]
    assert [part.written is not None for part in parts] == [False] * 4 + [True]
    assert parts[-1].done == parts[-1].total == sum(part.slabs for part in parts)
    assert tree(tmp_path / "parts.zarr") == whole
    assert not Unfinished(tmp_path / "parts.zarr").folder.exists()


def test_more_parts_than_there_is_work_for_are_no_harm(
    volume, several, adaptation, whole, tmp_path
):
    total = 0
    for number in range(1, 61):
        part = run(volume("parts.zarr").part(number, 60, adaptation))
        total += part.slabs
    assert (part.total, part.done) == (total, total)
    assert tree(tmp_path / "parts.zarr") == whole


def test_a_part_that_is_repeated_changes_nothing(
    volume, several, adaptation, whole, tmp_path
):
    for number in (1, 1, 2, 1, 3, 3):
        again = run(volume("parts.zarr").part(number, 3, adaptation))
    assert again.written is None
    assert tree(tmp_path / "parts.zarr") == whole


@pytest.mark.parametrize("after", [1, 3, 8])
def test_what_was_cancelled_goes_on_from_what_is_done(
    after, volume, several, whole, tmp_path
):
    steps = volume("out.zarr").denoise()
    done = Unfinished(tmp_path / "out.zarr").folder / "done"
    for _ in steps:
        if done.is_dir() and lines(done) >= after:
            break
    steps.close()
    assert not (tmp_path / "out.zarr").exists()
    before = lines(done)
    with pytest.raises(ImageFileError, match=r"unfinished result.*goes on"):
        read_image(done.parent)
    again = volume("out.zarr")
    stages = []
    run(again.denoise(), lambda snapshot: stages.append(snapshot.stage))
    assert not any("adapting" in stage for stage in stages)
    assert before >= after
    assert tree(tmp_path / "out.zarr") == whole


def lines(folder):
    return sum(len(file.read_text().splitlines()) for file in folder.iterdir())


def test_a_line_that_was_cut_off_is_done_again(volume, several, whole, tmp_path):
    steps = volume("out.zarr").denoise()
    done = Unfinished(tmp_path / "out.zarr").folder / "done"
    next(s for s in steps if done.is_dir() and lines(done) >= 2)
    steps.close()
    (file,) = itertools.islice(done.iterdir(), 1)
    file.write_text(file.read_text()[:-20])
    run(volume("out.zarr").denoise())
    assert tree(tmp_path / "out.zarr") == whole


def test_levels_are_means_of_the_finer_ones(volume, source):
    opened = volume()
    run(opened.denoise())
    group = zarr.open_group(str(opened.output), mode="r")
    model = zarr.open_group(str(source), mode="r")
    fine = group["0"][:].astype(float)
    means = fine.reshape(*fine.shape[:2], 35, 2, 45, 2).mean((3, 5))
    np.testing.assert_array_equal(group["1"][:], np.rint(means))
    for level, of_source in (("0", "s0"), ("1", "s1")):
        for name in ("chunks", "shards", "compressors", "dtype"):
            own, wanted = getattr(group[level], name), getattr(model[of_source], name)
            assert own == wanted


def test_channels_without_a_window_get_that_of_their_values(
    tmp_path, noisy, method, write_volume, several
):
    write_volume(tmp_path / "raw.zarr", noisy)
    group = zarr.open_group(str(tmp_path / "raw.zarr"), mode="r+")
    own = {"window": {"min": 0, "max": 65535, "start": 5, "end": 99}}
    channels = [{"color": "FF0000"}, {"color": "00FF00", **own}]
    group.attrs["ome"] = group.attrs["ome"] | {"omero": {"channels": channels}}
    image, task = open_file(tmp_path / "raw.zarr", tmp_path / "out.zarr", method)
    run(Volume(image, task, tmp_path / "out.zarr").denoise())
    made = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")
    first, second = made.attrs["ome"]["omero"]["channels"]
    ends = int(made["0"][0].min()), int(made["0"][0].max())
    assert (first["window"]["start"], first["window"]["end"]) == ends
    assert second["window"] == own["window"]


def test_shards_are_written_as_a_whole(tmp_path, noisy, method, write_volume, several):
    shards = (1, 3, 64, 64)
    write_volume(tmp_path / "raw.zarr", noisy, shards=shards)
    image, task = open_file(tmp_path / "raw.zarr", tmp_path / "out.zarr", method)
    run(Volume(image, task, tmp_path / "out.zarr").denoise())
    group = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")
    assert group["0"].shards == shards
    assert (group["0"][0] != noisy[0]).any()
    assert read_image(tmp_path / "out.zarr").notes == ()


def test_an_adaptation_comes_back_as_it_was(adaptation, method):
    weights = load_weights(method.weights, seed=0)
    adapted = read_adapted(adaptation, weights)
    assert sorted(adapted.channels) == [0, 1]
    for channel in adapted.channels.values():
        assert channel.adapts
        assert channel.iteration == 2
        assert channel.weights.keys() <= weights.state.keys()
    assert adapted.channels[1].sample.rule.constants == ((0,),)
    assert adapted.channels[0].neighbours.reach == {"Z": 1}


def test_an_adaptation_is_for_its_own_image_settings_and_weights(
    adaptation, source, method, tmp_path, noisy, write_volume
):
    def part(source=source, **changes):
        config = dataclasses.replace(method.config, **changes)
        other = dataclasses.replace(method, config=config)
        image, task = open_file(source, tmp_path / "out.zarr", other)
        run(Volume(image, task, tmp_path / "out.zarr").part(1, 2, adaptation))

    with pytest.raises(ConfigError, match=r"made with other settings than .*out\.zarr"):
        part(iterations=3)
    write_volume(tmp_path / "other.zarr", noisy + 1)
    with pytest.raises(ConfigError, match="made with other image than"):
        part(tmp_path / "other.zarr")
    assert not Unfinished(tmp_path / "out.zarr").folder.exists()
    adaptation.write_bytes(adaptation.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(WeightsError, match="damaged"):
        part()
    adaptation.unlink()
    with pytest.raises(WeightsError, match=r"no adaptation .* --adapt-only"):
        part()


def test_two_adaptations_are_not_mixed(volume, several, adaptation, tmp_path):
    run(volume("parts.zarr").part(1, 3, adaptation))
    kept = Unfinished(tmp_path / "parts.zarr").adaptation
    kept.write_bytes(kept.read_bytes() + b" ")
    with pytest.raises(ConfigError, match="begun with another adaptation"):
        run(volume("parts.zarr").part(2, 3, adaptation))


def test_a_precision_that_is_slow_here_is_told(
    volume, several, source, method, tmp_path, monkeypatch
):
    config = dataclasses.replace(method.config, precision="bfloat16")
    image, task = open_file(
        source, tmp_path / "out.zarr", dataclasses.replace(method, config=config)
    )
    made = Volume(image, task, tmp_path / "out.zarr")
    monkeypatch.setattr(volumes, "resolve_precision", lambda *_: "float32")
    run(made.prepare())
    with pytest.warns(UserWarning, match="adapt with --precision float32"):
        made.left()


def test_parts_write_down_what_is_done_each_for_itself(
    volume, several, adaptation, tmp_path
):
    for number in (1, 2):
        run(volume().part(number, 40, adaptation))
    names = {f.name for f in (tmp_path / "out.zarr.unfinished" / "done").iterdir()}
    assert len({name.partition(".")[2] for name in names}) == 2


def test_missing_parts_are_counted(volume, several, adaptation, tmp_path):
    with pytest.raises(ImageFileError, match=r"no parts of .*out\.zarr"):
        run(volume().finish())
    run(volume().part(1, 2, adaptation))
    with pytest.raises(ImageFileError, match=r"\d+ of \d+ pieces .* are missing"):
        run(volume().finish())
    assert not (tmp_path / "out.zarr").exists()


def test_only_one_run_does_the_whole(volume, several, tmp_path):
    steps = volume().denoise()
    done = Unfinished(tmp_path / "out.zarr").folder / "done"
    next(s for s in steps if done.is_dir() and lines(done) >= 1)
    with pytest.raises(ImageFileError, match="another run is at work"):
        run(volume().denoise())
    run(steps)
    assert (tmp_path / "out.zarr").exists()


def test_other_settings_begin_anew(volume, several, source, method, tmp_path):
    steps = volume().denoise()
    done = Unfinished(tmp_path / "out.zarr").folder / "done"
    next(s for s in steps if done.is_dir() and lines(done) >= 1)
    steps.close()
    config = dataclasses.replace(method.config, seed=5)
    other = dataclasses.replace(method, config=config)
    image, task = open_file(source, tmp_path / "out.zarr", other)
    with pytest.warns(UserWarning, match="other settings: it is begun anew"):
        run(denoise_file(image, task, tmp_path / "out.zarr"))
    run(denoise_file(image, task, tmp_path / "fresh.zarr"))
    assert tree(tmp_path / "out.zarr") == tree(tmp_path / "fresh.zarr")


def test_what_programs_share_is_not_dropped_by_one_with_other_settings(
    volume, several, adaptation, source, method, tmp_path
):
    run(volume().part(1, 3, adaptation))
    before = tree(tmp_path / "out.zarr.unfinished")
    config = dataclasses.replace(method.config, seed=5)
    other = dataclasses.replace(method, config=config)
    image, task = open_file(source, tmp_path / "out.zarr", other)
    with pytest.raises(ConfigError, match="made with other settings"):
        run(denoise_file(image, task, tmp_path / "out.zarr"))
    assert tree(tmp_path / "out.zarr.unfinished") == before


def test_a_folder_of_which_locks_are_left_is_in_nobody_s_way(volume, tmp_path):
    folder = Unfinished(tmp_path / "out.zarr").folder
    folder.mkdir()
    (folder / "run.lock").touch()
    run(volume().denoise())
    assert not folder.exists()


def test_a_folder_of_that_name_that_is_not_ours_stays(volume, tmp_path):
    folder = Unfinished(tmp_path / "out.zarr").folder
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ImageFileError, match="is in the way"):
        run(volume().denoise())
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_result_that_is_there_stays_until_the_new_one_is_whole(
    volume, several, whole, tmp_path
):
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / "zarr.json").write_text("{}")
    steps = volume().denoise()
    done = Unfinished(tmp_path / "out.zarr").folder / "done"
    next(s for s in steps if done.is_dir() and lines(done) >= 1)
    assert tree(tmp_path / "out.zarr") == {"zarr.json": b"{}"}
    run(steps)
    assert tree(tmp_path / "out.zarr") == whole


def test_what_is_unfinished_is_no_image_to_any_reader(volume, several, tmp_path):
    steps = volume().denoise()
    unfinished = Unfinished(tmp_path / "out.zarr").folder
    next(s for s in steps if (unfinished / "done").is_dir())
    steps.close()
    said = json.loads((unfinished / "image.zarr" / "zarr.json").read_text())
    assert said["attributes"] == {"napari-mpi": {"unfinished": True}}
    with pytest.raises(ImageFileError):
        read_image(unfinished / "image.zarr")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("blind-fast", {"share": False, "neighbours": "none"}, "without --share"),
        ("independent-fast", {}, "while they fill it"),
    ],
)
def test_settings_that_parts_cannot_share_are_told(
    name, changes, message, source, method, tmp_path
):
    config = preset(name, iterations=2, **changes)
    other = dataclasses.replace(method, config=config)
    image, task = open_file(source, tmp_path / "out.zarr", other)
    with pytest.raises(ConfigError, match=message):
        Volume(image, task, tmp_path / "out.zarr")


def test_axes_that_ngff_orders_otherwise_are_put_where_they_belong(
    tmp_path, noisy, method
):
    import tifffile

    told = {"axes": "ZCYX"}
    planes = noisy.transpose(1, 0, 2, 3)
    tifffile.imwrite(tmp_path / "raw.tif", planes, imagej=True, metadata=told)
    image, task = open_file(tmp_path / "raw.tif", tmp_path / "out.zarr", method)
    run(denoise_file(image, task, tmp_path / "out.zarr"))
    run(denoise_file(image, task, tmp_path / "out.tif"))
    volume, plain = (read_image(tmp_path / name) for name in ("out.zarr", "out.tif"))
    assert volume.axes == "ZCYX"
    assert np.abs(volume.array.astype(int) - plain.array).max() <= 2
