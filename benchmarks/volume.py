"""One OME-Zarr volume by many programs: seconds, memory, kills, and what is read.

Parts (all by default):
  speed    a volume of 64 x 2048 x 2048 (--shape): one program, four by --part, a
           cluster of two workers; processor seconds, peak memory, equal bytes
  kills    30 kills (--kills) at random moments over one program, parts and a cluster,
           each begun again: nothing lost, nothing half, equal bytes
  paper    regions, reads, files and messages of volumes of a petabyte
  sparse   what is read for 1 % of a terabyte, counted, with the network left out
  http     a volume behind an address: requests counted

Usage: python benchmarks/volume.py [PART ...] [--folder F] [OPTION OF DENOISE ...]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from volumes.made import make_volume
from volumes.programs import COMMAND, QUICK, Took, digest, remove, took
from volumes.reading import counted, on_paper

_CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
LONGEST = 20.0  # seconds after which a program is killed, at the latest


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 2048, 2048))
    parser.add_argument("--kills", type=int, default=30)
    options, options.how = parser.parse_known_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for part in options.parts:
            print(f"\n## {part}\n", flush=True)
            PARTS[part](Path(folder), options)


def speed(folder: Path, options: argparse.Namespace) -> None:
    """Print what one volume takes, by one program and by several."""
    source, adapted = folder / "raw.zarr", folder / "adapted.safetensors"
    shape = tuple(options.shape)
    make_volume(source, shape, (1, 1024, 1024))
    how = options.how
    print("| how | wall s | processor s | peak MB | bytes |", flush=True)
    print("| --- | ---: | ---: | ---: | --- |")
    told("adapted to, once", took([command(source, adapted, *how, "--adapt-only")]))
    by = [*how, "--adapted", str(adapted)]
    whole, parts, spread = (folder / f"{name}.zarr" for name in ("a", "b", "c"))
    told("one program", took([command(source, whole, *by)]), digest(whole)[:12])
    four = [command(source, parts, *by, "--part", f"{n}/4") for n in (1, 2, 3, 4)]
    told("four by --part, at the same time", took(four), digest(parts)[:12])
    with Cluster() as cluster:
        before = children_seconds()
        at = took([command(source, spread, *by, "--scheduler", cluster.address)])
    cost = Took(at.wall, children_seconds() - before, at.peak)
    told("a cluster of two workers, with its start", cost, digest(spread)[:12])
    remove(source, whole, parts, spread)


def told(name: str, cost: Took, bytes_: str = "") -> None:
    print(
        f"| {name} | {cost.wall:.0f} | {cost.processor:.0f} | {cost.peak:.0f} |"
        f" {bytes_} |",
        flush=True,
    )


def children_seconds() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def command(source: Path | str, output: Path, *more: str) -> list[str]:
    return [*COMMAND, str(source), "-o", str(output), *QUICK, *more]


class Cluster:
    """Two workers on this machine, in a program of their own."""

    def __enter__(self) -> "Cluster":
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._program = subprocess.Popen(
            [sys.executable, "-c", _CLUSTER], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._program.stdout is not None
        self.address = self._program.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.communicate()

    def workers(self) -> list[int]:
        """Return the numbers of the processes that work."""
        import psutil

        below = psutil.Process(self._program.pid).children(recursive=True)
        return [child.pid for child in below if "spawn_main" in str(child.cmdline())]


def kills(folder: Path, options: argparse.Namespace) -> None:
    """Kill programs at random moments, begin them again, and look at what is there."""
    rng = random.Random(0)
    source, adapted = folder / "raw.zarr", folder / "adapted.safetensors"
    whole, output = folder / "whole.zarr", folder / "out.zarr"
    make_volume(source, (16, 512, 512), (1, 256, 256))
    took([command(source, adapted, "--adapt-only")])
    by = ["--adapted", str(adapted)]
    took([command(source, whole, *by)])
    wanted, found = digest(whole), Counter[str]()
    ways = {
        "one program": [command(source, output)],
        "parts": [command(source, output, *by, "--part", f"{n}/2") for n in (1, 2)],
        "cluster": [],
    }
    with Cluster() as cluster:
        ways["cluster"] = [command(source, output, *by, "--scheduler", cluster.address)]
        for number in range(options.kills):
            name = list(ways)[number % 3]
            victims = cluster.workers if name == "cluster" else None
            found[attempt(ways[name], output, wanted, rng, victims)] += 1
            remove(output)
    for outcome, count in found.items():
        print(f"- {outcome}: {count} of {options.kills}")


def attempt(
    commands: list[list[str]], output: Path, wanted: str, rng: random.Random, victims
) -> str:
    """Kill one program, or a worker, and go on until the result is whole."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = {"env": env, "stderr": subprocess.DEVNULL}
    programs = [subprocess.Popen(c, **quiet) for c in commands]
    time.sleep(rng.uniform(0, LONGEST))
    died = "killed after its end"
    if victims is not None:
        died = "a worker was killed"
        os.kill(rng.choice(victims()), signal.SIGKILL)
    elif any(program.poll() is None for program in programs):
        died = "killed at work"
        rng.choice([p for p in programs if p.poll() is None]).kill()
    for program in programs:
        program.wait()
    if output.exists() and digest(output) != wanted:
        return f"{died}: a result that is not whole"
    if not output.exists():
        for again in commands:
            subprocess.run(again, check=True, **quiet)
    left = sorted(path.name for path in output.parent.glob("*out.zarr*"))
    left += [path.name for path in output.parent.glob(".*")]
    same = digest(output) == wanted
    return f"{died}: {'equal' if same else 'OTHER'} bytes, left beside: {left[1:]}"


def http(folder: Path, options: argparse.Namespace) -> None:
    """Denoise a volume behind an address, and count what is asked for."""
    make_volume(folder / "served" / "raw.zarr", (8, 512, 512), (1, 256, 256))
    asked = Counter[str]()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked[self.path] += 1

    handler = partial(Handler, directory=str(folder / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/raw.zarr"
        told("behind an address", took([command(address, folder / "h.zarr")]))
        server.shutdown()
    chunks = {path: count for path, count in asked.items() if "/0/c/" in path}
    print(
        f"\n{sum(asked.values())} requests, {sum(chunks.values())} of them for the"
        f" {len(chunks)} chunks of the finest level"
    )
    shutil.rmtree(folder / "served")


PARTS = {
    "speed": speed,
    "kills": kills,
    "paper": lambda *_: on_paper(),
    "sparse": lambda folder, _: counted(folder),
    "http": http,
}

if __name__ == "__main__":
    main()
