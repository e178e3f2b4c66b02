#!/usr/bin/env python3
"""What images cost to build, and how big they are: a large one, four at once, and `prod` beside `dev`.

usage: python3 benchmarks/build.py [large|four|size]...

large   `invoke docker_build` of an image with more than 100 locked packages, against Dockerfiles written by hand: uv
        with zstd layers, and pip with gzip layers; medians of 5, in turn
four    `invoke docker_build --all` of four examples on one base, against `docker buildx bake` with the same
        Dockerfiles and contexts, gathered beforehand; medians of 5, in turn
size    the forecast example for `prod` and for `dev`, as the OCI layouts that a registry will hold

Every build is cold: a file that each of its steps reads is changed before. Ours exports its lock anew. Bases are
there. No build mounts a cache, so each of them downloads its packages. The benchmark works in a scratch copy, under
names of its own, and needs a live docker engine and a package index. Its layers stay in the builder's cache until the
engine's own rules drop them. Exit code 1 when a ratio is above its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scratch import ask, checkout, remove_images
from startup import thin_environment
from timing import Command, machine, table

ROUNDS = 5
LIMIT = 1.15
EXAMPLES = ("diagrams", "forecast", "leaderboard", "simulate")
DEPENDENCIES = ("jupyterlab>=4,<5", "matplotlib>=3,<4", "pandas>=2,<3", "scikit-learn>=1,<2", "sqlalchemy>=2,<3")
PROJECT = f"""\
[project]
name = "large"
requires-python = ">=3.11,<3.12"
dynamic = ["version"]
dependencies = {json.dumps(DEPENDENCIES)}

[tool.poetry]
package-mode = false

[tool.helpers]
base = "archive:bookworm"
"""
UV = """\
ARG BASE
FROM ${BASE}
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
ARG FLAGS
RUN --mount=type=bind,source=requirements.txt,target=/requirements.txt \\
    --mount=type=bind,from=tools,target=/tools \\
    --mount=type=secret,id=host_env --mount=type=secret,id=ca \\
    . /run/secrets/host_env && /tools/uv venv /opt/venv && \\
    /tools/uv pip install ${FLAGS} --no-deps --require-hashes --requirements /requirements.txt
"""
PIP = """\
ARG BASE
FROM ${BASE}
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN --mount=type=bind,source=requirements.txt,target=/requirements.txt \\
    --mount=type=bind,from=tools,target=/tools \\
    --mount=type=secret,id=host_env --mount=type=secret,id=ca \\
    . /run/secrets/host_env && python3 -m venv --without-pip /opt/venv && \\
    PYTHONPATH=/tools python -m pip install --no-cache-dir --no-deps --require-hashes --requirement /requirements.txt
"""


@dataclass(frozen=True)
class Way:
    """A way to build.

    Arguments:
        command: builds.
        changed: files whose change makes the next build a cold one; each reads `#` as a comment.
        limit: of the ratio of ours to this one.
    """

    command: Command
    changed: Sequence[Path]
    limit: float | None = None

    def seconds(self) -> float:
        """Build cold once and return how long it took."""
        for path in self.changed:
            with path.open("a") as file:
                file.write(f"# {time.time_ns()}\n")
        # What the build before left to be written, a gigabyte or more, is not this one's.
        os.sync()
        return self.command.seconds()


@dataclass(frozen=True)
class Place:
    """Where all is done.

    Arguments:
        directory: for files.
        prefix: begins the names of all images.
        thin: the thin environment.
    """

    directory: Path
    prefix: str
    thin: Path

    @property
    def invoke(self) -> str:
        """The program that runs tasks."""
        return str(self.thin / "path" / "invoke")

    def checkout(self, name: str, directories: Sequence[str]) -> Path:
        """Make a scratch copy of this checkout."""
        return checkout(self.directory / name, self.prefix, directories)

    def gather(self, root: Path, name: str) -> tuple[Path, dict[str, Any]]:
        """Return a directory with what the image `name` is built from, and what the builder must be told."""
        target = self.directory / "gathered" / name
        target.mkdir(parents=True)
        return target, ask("gather", root, self.thin / "bin" / "python", root / "runnable_dirs" / name, target)


def in_turn(place: Place, ways: Sequence[Way]) -> bool:
    """Time the first way against the others, print that, and return whether its ratio to each is within the limit."""
    seconds: list[list[float]] = [[] for _ in ways]
    for number in range(ROUNDS):
        turn = list(zip(ways, seconds, strict=True))
        # There and back: what a build leaves the machine to tidy up is not always the same one's burden.
        for way, times in turn if number % 2 == 0 else reversed(turn):
            times.append(way.seconds())
            remove_images(place.prefix)
            print(
                f"-- round {number + 1} of {ROUNDS}: {way.command.name}: {times[-1]:.1f} s", file=sys.stderr, flush=True
            )
    medians = [statistics.median(times) for times in seconds]
    rows = [("cold build", "seconds", "median", "ours / it", "limit")]
    well = True
    for way, times, median in zip(ways, seconds, medians, strict=True):
        ratio = medians[0] / median
        well = well and (way.limit is None or ratio <= way.limit)
        shown = "" if way is ways[0] else f"{ratio:.2f}"
        each = " ".join(f"{one:.1f}" for one in times)
        rows.append((way.command.name, each, f"{median:.1f}", shown, f"{way.limit:.2f}" if way.limit else ""))
    print(table(rows) + "\n", flush=True)
    return well


def ours(place: Place, root: Path, name: str, task: Sequence[str], cwd: Path) -> Way:
    """Return our own way: what its recipe and its lock's export are made from is changed before each build."""
    scripts = (root / "helpers" / "engine" / "recipe").glob("install-*.sh")
    return Way(
        Command(name, ((place.invoke, *task),), cwd),
        [*scripts, *root.glob("runnable_dirs/*/pyproject.toml")],
    )


def large(place: Place) -> bool:
    """Compare builds of the image with many packages."""
    root = place.checkout("large", ())
    path = root / "runnable_dirs" / "large"
    (path / "devops").mkdir(parents=True)
    (path / "pyproject.toml").write_text(PROJECT)
    (path / "changelog.txt").write_text(f"# {place.prefix}-large-1.0.0\n- 2026-01-01\n- many packages\n")
    subprocess.run([place.invoke, "docker_lock"], cwd=path, check=True, capture_output=True)
    first = ours(place, root, "invoke docker_build", ("docker_build",), path)
    first.seconds()
    gathered, told = place.gather(root, "large")
    pins = re.findall(r"^[\w.-]+==", (gathered / "context" / "requirements.txt").read_text(), re.MULTILINE)
    (gathered / "pip").mkdir()
    (found,) = place.thin.glob("lib/python3*/site-packages/pip")
    (gathered / "pip" / "pip").symlink_to(found)
    ways = [first]
    for name, recipe, flags, layers, limit in (
        ("by hand: uv, zstd", UV, "--compile-bytecode", "compression=zstd", LIMIT),
        ("by hand: pip, gzip", PIP, "", "compression=gzip", None),
    ):
        context = gathered / f"by-hand-{len(ways)}"
        context.mkdir()
        (context / "Dockerfile").write_text(recipe)
        (context / "requirements.txt").write_text((gathered / "context" / "requirements.txt").read_text())
        tools = found.parent if recipe is PIP else gathered / "tools"
        argv = [
            "docker",
            "buildx",
            "build",
            "--provenance",
            "false",
            "--pull=false",
            "--build-context",
            f"tools={tools}",
        ]
        argv += ["--build-arg", f"BASE={told['args']['BASE']}", "--build-arg", f"FLAGS={flags}"]
        argv += [word for key, file in told["secrets"].items() for word in ("--secret", f"id={key},src={file}")]
        argv += ["--output", f"type=image,name={place.prefix}-by-hand,{layers},unpack=true", str(context)]
        ways.append(Way(Command(name, (tuple(argv),), context), [context / "requirements.txt"], limit))
    remove_images(place.prefix)
    print(f"An image with {len(pins)} locked packages, medians of {ROUNDS}:\n", flush=True)
    return in_turn(place, ways)


def four(place: Place) -> bool:
    """Compare builds of four images on one base."""
    root = place.checkout("four", EXAMPLES)
    first = ours(place, root, "invoke docker_build --all", ("docker_build", "--all"), root)
    first.seconds()
    targets, changed = {}, []
    for name in EXAMPLES:
        gathered, told = place.gather(root, name)
        targets[name] = {
            "context": str(gathered / "context"),
            "dockerfile": str(gathered / "Dockerfile"),
            "target": told["target"],
            "args": told["args"],
            "labels": told["labels"],
            "contexts": {"tools": str(gathered / "tools")},
            "secret": [f"id={key},src={file}" for key, file in told["secrets"].items()],
            "output": [f"type=image,name={place.prefix}-bake-{name},compression=uncompressed,unpack=true"],
            "attest": ["type=provenance,disabled=true"],
        }
        changed += [*(gathered / "context").glob("install-*.sh")]
    file = place.directory / "bake.json"
    file.write_text(json.dumps({"group": {"default": {"targets": EXAMPLES}}, "target": targets}))
    argv = ("docker", "buildx", "bake", "--file", str(file))
    second = Way(Command("docker buildx bake", (argv,), place.directory), changed, LIMIT)
    second.seconds()
    remove_images(place.prefix)
    print(f"Four images on one base ({', '.join(EXAMPLES)}), medians of {ROUNDS}:\n", flush=True)
    return in_turn(place, [first, second])


def size(place: Place) -> bool:
    """Print how big an example is for `prod` and for `dev`."""
    root = place.checkout("size", ("forecast",))
    target = place.directory / "layouts"
    target.mkdir()
    sizes = ask("sizes", root, place.thin / "bin" / "python", root / "runnable_dirs" / "forecast", target)
    prod, dev = sizes["prod"], sizes["dev"]
    rows = [("forecast", "prod", "dev", "prod / dev")]
    rows += [(what, f"{prod[what]:.0f}", f"{dev[what]:.0f}", f"{prod[what] / dev[what]:.2f}") for what in prod]
    print(table(rows) + "\n", flush=True)
    return True


PARTS: dict[str, Callable[[Place], bool]] = {"large": large, "four": four, "size": size}


def main() -> int:
    """Do the parts that are asked for and return 1 if a ratio is above its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("part", nargs="*", help=f"of {' '.join(PARTS)}; default: all")
    chosen = parser.parse_args().part or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    # What is undone at the end is undone after SIGTERM too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    prefix = f"helpers-benchmark-{os.getpid()}"
    print(f"benchmarks/build.py: {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name).resolve(), prefix, thin_environment())
        try:
            well = [PARTS[part](place) for part in chosen]
        finally:
            remove_images(prefix)
    return int(not all(well))


if __name__ == "__main__":
    sys.exit(main())
