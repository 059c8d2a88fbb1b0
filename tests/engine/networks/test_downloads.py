"""Published weights are fetched once, whole and as they are known, or not at all."""

import gc
import http.server
import shutil
import socket
import threading
from pathlib import Path

import pytest
import torch

from napari_mpi.engine.networks import catalogue
from napari_mpi.engine.networks.catalogue import (
    PUBLISHED,
    PublishedWeights,
)
from napari_mpi.engine.networks.loading import (
    fetch_weights,
    load_weights,
)
from napari_mpi.engine.networks.weights import Weights
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


left_open_by_pooch = pytest.mark.filterwarnings(
    "ignore:unclosed .*socket:ResourceWarning"
)


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
