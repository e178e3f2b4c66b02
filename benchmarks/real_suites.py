#!/usr/bin/env python3
"""Proves that a container changes nothing: test suites of public projects, in containers and in plain environments.

Source distributions of public projects become runnable dirs of a scratch copy of this repo (`invoke dir_create --from`)
and are tested by `main_pytest.py --engine docker`. The same suites run in plain virtual environments with the same
pins. Collected and passed tests must be equal, directory by directory; exit code 1 says that they are not.

usage: python3 benchmarks/real_suites.py [PROJECT...]

Needs a docker engine and a package index. Downloads are kept in the cache of helpers; all else is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
from helpers import errors, host, proc  # noqa: E402
from helpers.console import report_error  # noqa: E402
from helpers.images import lock  # noqa: E402
from helpers.model.image import LABEL_DIR  # noqa: E402
from helpers.storage import cache_dir  # noqa: E402
from helpers.thin_env import ThinEnvError, bootstrap  # noqa: E402

PROJECTS = ("packaging", "humanize", "boltons")
BASE, PYTHON = "archive:bookworm", "3.11"
# Lines for [tool.helpers] that weaken the container of a suite that can not do without, such as network = "bridge".
WEAKER: dict[str, tuple[str, ...]] = {}
# Programs that a suite starts when they are there, and the package that holds each: where the host has one, the
# container gets it too, otherwise a test would be skipped on one side only.
PROGRAMS: dict[str, dict[str, str]] = {"humanize": {"xgettext": "gettext"}}
_SECONDS = 1800.0
_OUTCOMES = ("passed", "failed", "skipped", "xfailed", "xpassed", "errors")


@dataclass
class Suite:
    """One project: where it lies, and what pytest said of it on both sides.

    Arguments:
        name: of the project on the index.
        source: its unpacked source distribution.
        directory: the runnable dir made of it, relative to the scratch checkout.
    """

    name: str
    source: Path
    directory: str
    container: dict[str, int] = field(default_factory=dict)
    plain: dict[str, int] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    plain_seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether both sides collected and passed the same, and the driver reported just that."""
        seen = self.container
        ran_well = seen.get("passed", 0) > 0 and self.reported.get("verdict") == "PASS"
        told = (self.reported.get("passed"), self.reported.get("failed"), self.reported.get("skipped"))
        passed = seen.get("passed", 0) + seen.get("xfailed", 0) + seen.get("xpassed", 0)
        return ran_well and seen == self.plain and told == (passed, seen.get("failed", 0), seen.get("skipped", 0))


def step(message: str) -> None:
    """Say what is done now."""
    print(f"-- {message}", flush=True)


def must(argv: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run `argv` and return what it printed.

    Raises:
        InfrastructureError: it failed.
    """
    done = proc.run(argv, cwd=cwd, env=env, timeout=_SECONDS)
    if done.code:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise errors.InfrastructureError(f"'{' '.join(done.argv[:4])} ...' failed ({done.code}):\n{said}", where=cwd)
    return done.stdout


def source_distribution(name: str) -> Path:
    """Return the file of the project's newest source distribution; a copy in the cache is used as it is."""
    kept = cache_dir() / "sdists" / name
    found = sorted(kept.glob("*.tar.gz"))
    if not found:
        kept.mkdir(parents=True, exist_ok=True)
        step(f"downloading {name}")
        # The machine's own settings of pip decide where from.
        pip = [sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps", "--dest", str(kept), name]
        must(pip, cwd=kept)
        found = sorted(kept.glob("*.tar.gz"))
    if not found:
        raise errors.InfrastructureError(f"{name} has no source distribution that ends in .tar.gz", where=kept)
    return found[-1]


def unpack(file: Path, into: Path) -> Path:
    """Unpack a source distribution and return its one directory."""
    into.mkdir(parents=True)
    with tarfile.open(file) as archive:
        archive.extractall(into, filter="data")
    return next(into.iterdir())


def scratch_checkout(into: Path) -> Path:
    """Clone this repo with what is not committed and return the clone."""
    clone = into / "checkout"
    must(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], cwd=into)
    changed = must(["git", "ls-files", "-z", "--modified", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, changed.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, clone / name)
        else:
            (clone / name).unlink(missing_ok=True)
    return clone


def make_runnable_dir(suite: Suite, checkout: Path, thin: Path) -> None:
    """Make the runnable dir of `suite` as a user would."""
    invoke = str(thin / "bin" / "invoke")
    argv = [invoke, "dir_create", suite.directory, "--base", BASE, "--from", str(suite.source)]
    started = time.monotonic()
    must(argv, cwd=checkout)
    step(f"invoke dir_create {suite.directory} --from {suite.source.name}: {time.monotonic() - started:.1f} s")
    packages = [package for name, package in PROGRAMS.get(suite.name, {}).items() if shutil.which(name)]
    lines = [f"system_packages = {json.dumps(packages)}"] if packages else []
    file = checkout / suite.directory / "pyproject.toml"
    for line in (*lines, *WEAKER.get(suite.name, ())):
        step(f"  set in its [tool.helpers]: {line}")
        file.write_text(file.read_text().replace("[tool.helpers]\n", f"[tool.helpers]\n{line}\n"))


def run_containers(suites: Sequence[Suite], checkout: Path) -> None:
    """Test all suites with the driver, each in its container."""
    result = checkout.parent / "result.json"
    named = [part for suite in suites for part in ("--dir", suite.directory)]
    how = ("--engine", "docker", "--tier", "all", "--no-cache")
    argv = [sys.executable, "main_pytest.py", "--only-this", *how, "--json", str(result), *named]
    started = time.monotonic()
    done = proc.run(argv, cwd=checkout, timeout=_SECONDS)
    step(f"main_pytest.py --engine docker --tier all: exit {done.code}, {time.monotonic() - started:.1f} s with builds")
    if not result.is_file():
        raise errors.InfrastructureError(f"main_pytest.py wrote no result: {done.reason}", where=checkout)
    by_name = {item["directory"]: item for item in json.loads(result.read_text())["directories"]}
    for suite in suites:
        suite.reported = by_name[suite.directory]
        log = Path(suite.reported["log"] or "/dev/null")
        suite.container = summary(log.read_text(encoding="utf-8", errors="replace"))
        if suite.reported["why"]:
            step(f"  {suite.directory}: {suite.reported['verdict']}: {suite.reported['why']}")


def run_plain(suite: Suite, checkout: Path, scratch: Path, thin: Path) -> None:
    """Test the suite in a virtual environment with the same pins, in its own unpacked source distribution."""
    settings = host.settings()
    env = {**host_environment(), **settings.environment(str(settings.ca) if settings.ca else None)}
    venv, uv = scratch / f"venv-{suite.name}", str(thin / "bin" / "uv")
    python = str(venv / "bin" / "python")
    must([uv, "venv", "--quiet", "--no-project", "--python", PYTHON, str(venv)], cwd=scratch, env=env)
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", python]
    must([*install, "--require-hashes", "-r", str(lock.requirements(checkout / suite.directory))], cwd=scratch, env=env)
    must([*install, "--reinstall", str(suite.source)], cwd=scratch, env=env)
    started = time.monotonic()
    done = proc.run([python, "-m", "pytest"], cwd=suite.source, env=env, timeout=_SECONDS)
    suite.plain_seconds = time.monotonic() - started
    suite.plain = summary(done.stdout)
    step(f"plain pytest in {suite.source.name}: exit {done.code}, {suite.plain_seconds:.1f} s")


def host_environment() -> dict[str, str]:
    """Return this process's environment without what would change how pytest or Python works."""
    import os

    away = ("PYTEST_", "PYTHON", "VIRTUAL_ENV", "UV_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(away)}


def summary(output: str) -> dict[str, int]:
    """Return what pytest's own last lines say: how many tests it selected, and how they ended."""
    collected = re.findall(
        r"^collected (\d+) items?(?: / (\d+) errors?)?(?: / (\d+) deselected)?", output, re.MULTILINE
    )
    last = re.findall(r"^=+ (.*\d+ (?:passed|failed|skipped|error).*) in [\d.]+s.*=+$", output, re.MULTILINE)
    if not collected or not last:
        return {}
    counts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last[-1])}
    counts["errors"] = counts.get("errors", counts.get("error", 0))
    found = {"collected": int(collected[-1][0]) - counts.get("deselected", 0)}
    return found | {word: counts.get(word, 0) for word in _OUTCOMES}


def print_table(suites: Sequence[Suite]) -> None:
    """Print both sides, a row for each directory."""
    head = ("directory", "source", "", *("collected", *_OUTCOMES), "seconds", "")
    rows: list[Sequence[object]] = [head]
    for suite in suites:
        verdict = "equal" if suite.equal else "DIFFERENT"
        for side, counts, seconds in (
            ("container", suite.container, suite.reported.get("seconds", 0.0)),
            ("plain venv", suite.plain, suite.plain_seconds),
        ):
            numbers = [counts.get(word, "-") for word in ("collected", *_OUTCOMES)]
            rows.append((suite.directory, suite.source.name, side, *numbers, f"{seconds:.1f}", verdict))
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(head))]
    for row in rows:
        cells = [str(cell).ljust(w) if i < 3 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]  # noqa: B905
        print("  ".join(cells).rstrip())


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Yield a directory for all that is made here; it is gone afterwards, after SIGTERM too."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(errors.SIGTERM_EXIT)

    signal.signal(signal.SIGTERM, end)
    with tempfile.TemporaryDirectory(prefix="helpers-real-suites-") as name:
        yield Path(name).resolve()


def remove_images(suites: Sequence[Suite]) -> None:
    """Remove the images of our directories, known by their label, and no others."""
    for suite in suites:
        listed = proc.run(["docker", "images", "--quiet", "--filter", f"label={LABEL_DIR}={suite.directory}"])
        for image in sorted(set(listed.stdout.split())):
            proc.run(["docker", "rmi", "--force", image])


def compare(names: Sequence[str]) -> int:
    """Run everything and return the exit code."""
    thin = bootstrap.ensure_env(Path(bootstrap.REQUIREMENTS))
    files = {name: source_distribution(name) for name in names}
    with scratch_directory() as scratch:
        # No directory of a user is called so: its images go at the end.
        suites = [
            Suite(name, unpack(file, scratch / "unpacked" / name), f"runnable_dirs/real-{name}")
            for name, file in files.items()
        ]
        checkout = scratch_checkout(scratch)
        try:
            for suite in suites:
                make_runnable_dir(suite, checkout, thin)
            run_containers(suites, checkout)
            for suite in suites:
                run_plain(suite, checkout, scratch, thin)
        finally:
            remove_images(suites)
    print_table(suites)
    if not any(WEAKER.get(suite.name) for suite in suites):
        print("every container: no network, checkout and root read-only, no capabilities; no setting was weakened")
    return 0 if all(suite.equal for suite in suites) else 1


def main() -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("project", nargs="*", default=list(PROJECTS), help=f"default: {' '.join(PROJECTS)}")
    try:
        return compare(parser.parse_args().project)
    except (errors.HelpersError, ThinEnvError, KeyboardInterrupt) as error:
        return report_error(error)


if __name__ == "__main__":
    sys.exit(main())
