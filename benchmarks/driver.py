#!/usr/bin/env python3
"""What `main_pytest.py` costs over many directories, beside other ways to run one container of tests for each.

usage: python3 benchmarks/driver.py [unchanged] [many] [changed] [overhead] [lengths] [output] [watch]

unchanged   nothing has changed since a run that passed: ours, and go-task, Turborepo and Nx with their caches warm, in
            front of the same `docker run` a directory; and what has no cache: the plain loop, `xargs -P2`, tox and nox
            with one session a directory, and pytest-xdist in one environment
many        the same over 1,000 and 5,000 directories: at most 3 times `git status` and 0.3 s, and 120 MB
watch       from a saved file to its verdict: driver_watch.py
the others  something has to be run: driver_running.py says what they are

It works in scratch copies, `unchanged` in one with 20 directories of 20 files, under names of its own, and needs a live
docker engine and a package index. Those of `task` (go-task), `turbo` and `nx` are compared that are on PATH; the others
are named. Exit code 1 when ours is slower than one of them, or a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import driver_many
import driver_running
import driver_sessions
import driver_watch
from scratch import FILES, remove_images, small_dirs
from timing import Command, machine, table

ROUNDS = 5
DIRS = 20
TEST = "def test_it():\n    assert True\n"


class Place:
    """A repo with many small runnable dirs, whose images are there.

    Arguments:
        directory: for files.
        prefix: begins the names of all images.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        self.names = [f"d{number:02}" for number in range(DIRS)]
        # What the other tools write into their copies is no change of what they look at.
        written = (".turbo", ".nx", ".task", "node_modules")
        self.root = small_dirs(directory / "repo", prefix, dict.fromkeys(self.names, TEST), written)
        self.driver = (sys.executable, str(self.root / "main_pytest.py"), "--engine", "docker")
        subprocess.run([*self.driver, "--json", str(directory / "first.json")], check=True, capture_output=True)
        ran = json.loads((directory / "first.json").read_text())
        self.image = ran["directories"][0]["image"]


class Copy:
    """A copy of the repo for one tool: what it leaves there is no change for the others.

    Arguments:
        place: the repo.
        name: of the tool.
    """

    def __init__(self, place: Place, name: str) -> None:
        self.root = place.root.with_name(name)
        self.names = place.names
        self._image = place.image
        shutil.copytree(place.root, self.root)

    def docker_run(self, name: str) -> list[str]:
        """Return the bare container of one directory's tests, with the limits that matter for its time."""
        path = self.root / name
        limits = ["--network", "none", "--read-only", "--tmpfs", "/tmp", "--user", f"{os.getuid()}:{os.getgid()}"]
        mounted = ["--volume", f"{path}:{path}:ro", "--workdir", str(path), "--env", "PYTHONDONTWRITEBYTECODE=1"]
        return ["docker", "run", "--rm", *limits, *mounted, self._image, "pytest", "-q", "-p", "no:cacheprovider"]

    def command(self, name: str, *words: str) -> Command:
        """Return a command in the repo."""
        return Command(name, (words,), self.root, (("NX_TUI", "false"), ("TURBO_TELEMETRY_DISABLED", "1")))


def plain_loop(copy: Copy) -> Command:
    """Return the loop over all directories, one after the other."""
    runs = tuple(tuple(copy.docker_run(name)) for name in copy.names)
    return Command("a loop of docker run", runs, copy.root)


def xargs(copy: Copy) -> Command:
    """Return two containers at a time by xargs."""
    words = " ".join(copy.docker_run("{}"))
    script = f"printf '%s\\n' {' '.join(copy.names)} | xargs -P2 -I{{}} {words} >/dev/null"
    return copy.command("xargs -P2 docker run", "bash", "-c", script)


def go_task(copy: Copy) -> Command:
    """Return go-task, whose tasks name their sources."""
    tasks = {name: {"sources": [f"{name}/**/*"], "cmds": [" ".join(copy.docker_run(name))]} for name in copy.names}
    file = {"version": "3", "tasks": {"all": {"deps": list(copy.names)}, **tasks}}
    (copy.root / "Taskfile.yml").write_text(json.dumps(file))  # JSON is YAML
    return copy.command("go-task", "task", "--silent", "all")


def turborepo(copy: Copy) -> Command:
    """Return Turborepo, each directory a package."""
    (copy.root / "package.json").write_text(
        json.dumps({"name": "all", "private": True, "workspaces": list(copy.names), "packageManager": "npm@11.0.0"})
    )
    for name in copy.names:
        about = {"name": name, "version": "1.0.0", "scripts": {"check": " ".join(copy.docker_run(name))}}
        (copy.root / name / "package.json").write_text(json.dumps(about))
    (copy.root / "turbo.json").write_text(json.dumps({"tasks": {"check": {"outputs": []}}}))
    lock = {"name": "all", "lockfileVersion": 3, "packages": {"": {"workspaces": list(copy.names)}}}
    lock["packages"] |= {name: {"version": "1.0.0"} for name in copy.names}  # type: ignore[operator]
    (copy.root / "package-lock.json").write_text(json.dumps(lock))
    return copy.command("Turborepo", "turbo", "run", "check", "--output-logs=none")


def nx(copy: Copy) -> Command:
    """Return Nx with its daemon, each directory a project."""
    # It looks for its own modules in the repo.
    (copy.root / "node_modules").symlink_to(Path(os.path.realpath(shutil.which("nx") or "")).parents[3])
    (copy.root / "nx.json").write_text(json.dumps({"targetDefaults": {"check": {"cache": True}}, "analytics": False}))
    for name in copy.names:
        run = {"executor": "nx:run-commands", "options": {"command": " ".join(copy.docker_run(name))}, "cache": True}
        about = {"name": name, "targets": {"check": {**run, "inputs": ["{projectRoot}/**/*"]}}}
        (copy.root / name / "project.json").write_text(json.dumps(about))
    return copy.command("Nx", "nx", "run-many", "--target=check", "--outputStyle=static")


CACHED: tuple[tuple[str, Callable[[Copy], Command]], ...] = (
    ("task", go_task),
    ("turbo", turborepo),
    ("nx", nx),
)


def unchanged(directory: Path, prefix: str) -> bool:
    """Time runs in which nothing changed, print them, and return whether ours is the fastest."""
    place = Place(directory, prefix)
    cached = [Command("main_pytest.py", (place.driver,), place.root)]
    for program, make in CACHED:
        if shutil.which(program):
            cached.append(make(Copy(place, program)))
        else:
            print(f"not on PATH, and not compared: {program}\n")
    for command in (*cached, *cached):
        command.seconds()  # fills their caches, and starts daemons
    sessions = driver_sessions.others(Copy(place, "sessions").root, place.names)
    commands = [*cached, plain_loop(Copy(place, "loop")), xargs(Copy(place, "xargs")), *sessions]
    status = Command("git status", (("git", "status", "--porcelain"),), place.root)
    seconds: list[list[float]] = [[] for _ in (*commands, status)]
    for _ in range(ROUNDS):
        for command, times in zip((*commands, status), seconds, strict=True):
            times.append(command.seconds())
    medians = [statistics.median(times) for times in seconds]
    rows = [("nothing changed", "median, ms", "ours / it")]
    for command, median in zip((*commands, status), medians, strict=True):
        ratio = "" if command is commands[0] else f"{medians[0] / median:.2f}"
        rows.append((command.name, f"{median * 1000:.0f}", ratio))
    print(f"{DIRS} directories of {FILES} files, medians of {ROUNDS}:\n\n{table(rows)}\n", flush=True)
    return medians[0] <= min(medians[:-1])


PARTS: dict[str, Callable[[Path, str], bool]] = {
    "unchanged": unchanged,
    "many": driver_many.many,
    **driver_running.PARTS,
    "watch": driver_watch.watch,
}


def main() -> int:
    """Do the parts that are asked for and return 1 if ours is not the fastest in one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("part", nargs="*", help=f"of {' '.join(PARTS)}; default: all")
    chosen = parser.parse_args().part or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    prefix = f"helpers-benchmark-{os.getpid()}"
    print(f"benchmarks/driver.py: {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        try:
            well = [PARTS[part](Path(name).resolve(), prefix) for part in chosen]
        finally:
            # Nx leaves a daemon that would outlive us.
            if (Path(name) / "nx").exists():
                subprocess.run(["nx", "daemon", "--stop"], cwd=Path(name) / "nx", capture_output=True)
            remove_images(prefix)
    return int(not all(well))


if __name__ == "__main__":
    sys.exit(main())
