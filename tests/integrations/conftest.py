"""The packages of `integrations`, which are not installed, and a small plate."""

import json
from pathlib import Path

import pytest

INTEGRATIONS = Path(__file__).parents[2] / "integrations"
PLANES = {"B/03": 1, "B/04": 3}
"""Wells, and how many planes their field has; Fractal has Z of one plane too."""


@pytest.fixture
def fractal(monkeypatch):
    """Let the task package be imported, and return the folder that it is in."""
    pytest.importorskip("pydantic")
    pytest.importorskip("zarr")
    monkeypatch.syspath_prepend(INTEGRATIONS / "fractal")
    return INTEGRATIONS / "fractal"


@pytest.fixture(params=["0.4", "0.5"])
def plate(request, tmp_path, rng):
    """Return a plate of two wells with a field each, in either version of OME-Zarr."""
    pytest.importorskip("zarr")
    path = tmp_path / "plate.zarr"
    wells = [
        {"path": path, "rowIndex": 0, "columnIndex": column}
        for column, path in enumerate(PLANES)
    ]
    about = {
        "rows": [{"name": "B"}],
        "columns": [{"name": "03"}, {"name": "04"}],
        "wells": wells,
        "acquisitions": [{"id": 7}],
    }
    write_group(path, {"plate": about}, request.param)
    for well in wells:
        images = [{"path": "0", "acquisition": 7}]
        write_group(path / well["path"], {"well": {"images": images}}, request.param)
        field = path / well["path"] / "0"
        write_field(field, rng, PLANES[well["path"]], request.param)
    return path


def write_group(path, attributes, version):
    """Write a group whose first attribute is one of OME."""
    import zarr

    if version == "0.4":
        (said,) = attributes.values()
        first = said[0] if isinstance(said, list) else said
        if isinstance(first, dict):  # a list of labels has no version
            first["version"] = version
    else:
        attributes = {"ome": {"version": version, **attributes}}
    zarr_format = 2 if version == "0.4" else 3
    return zarr.open_group(
        path, mode="w", zarr_format=zarr_format, attributes=attributes
    )


def write_field(path, rng, planes, version):
    """Write a noisy image of two levels, with labels and a table."""
    pixels = rng.normal(1000, 100, (1, planes, 32, 32)).clip(0, None).astype("uint16")
    group = write_image(path, [pixels, pixels[..., ::2, ::2]], version)
    group.create_group("tables").attrs["tables"] = ["FOV_ROI_table"]
    group.create_group("tables/FOV_ROI_table").attrs["type"] = "roi_table"
    write_group(path / "labels", {"labels": ["nuclei"]}, version)
    masks = [level[0] // 900 for level in (pixels, pixels[..., ::2, ::2])]
    nuclei = write_image(path / "labels" / "nuclei", masks, version)
    about = nuclei.attrs.asdict()
    about.get("ome", about)["image-label"] = {}
    nuclei.attrs.update(about)


def write_image(path, levels, version):
    """Write levels that halve Y and X, and return their group."""
    names = "czyx"[-levels[0].ndim :]
    axes = [
        {"name": name, "type": "space", "unit": "micrometer"}
        if name in "zyx"
        else {"name": name, "type": "channel"}
        for name in names
    ]
    steps = [[1.0] * (len(names) - 2) + [0.5 * 2**n] * 2 for n in range(len(levels))]
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [{"type": "scale", "scale": step}],
        }
        for number, step in enumerate(steps)
    ]
    attributes = {"multiscales": [{"axes": axes, "datasets": datasets}]}
    group = write_group(path, attributes, version)
    options = {"dimension_names": list(names)}
    if version == "0.4":
        options = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    for number, pixels in enumerate(levels):
        chunks = (*[1] * (len(names) - 2), 16, 16)
        group.create_array(str(number), data=pixels, chunks=chunks, **options)
    return group


@pytest.fixture
def described():
    """Return what tells what a group says of OME, of either version."""

    def say(path):
        if (path / "zarr.json").is_file():
            return json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
        return json.loads((path / ".zattrs").read_text())

    return say
