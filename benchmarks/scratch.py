"""A scratch copy of this checkout with images under names of its own; for the programs beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# How many files a small directory has.
FILES = 20
_LOCKED = ROOT / "helpers" / "test" / "data" / "pytest_only"


def checkout(target: Path, prefix: str, names: Iterable[str]) -> Path:
    """Copy what commands need of this checkout to `target`, and return that.

    Arguments:
        target: does not exist yet.
        prefix: begins the names of all images that are built there.
        names: the directories of `runnable_dirs/` that it has; it has no others, and the root is none.
    """
    target.mkdir()
    subprocess.run(["git", "init", "--quiet", str(target)], check=True)
    for name in ("helpers", *(f"runnable_dirs/{item}" for item in names)):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("test", "__pycache__"))
    for name in ("tasks.py", "invoke.yaml"):
        shutil.copy(ROOT / name, target / name)
    for log in target.glob("runnable_dirs/*/changelog.txt"):
        log.write_text(re.sub(r"^# ", f"# {prefix}-", log.read_text(), flags=re.MULTILINE))
    subprocess.run(["git", "add", "--all"], cwd=target, check=True)
    return target


def small_dirs(target: Path, prefix: str, tests: Mapping[str, str], ignored: Iterable[str] = ()) -> Path:
    """Make a repo of runnable dirs that have FILES files each and pytest alone in their locks, and return its root.

    Arguments:
        target: does not exist yet.
        prefix: begins the names of all images.
        tests: the text of each directory's one file with tests, by the directory's name.
        ignored: what git does not see there, beside what Python makes.
    """
    checkout(target, prefix, ())
    shutil.copy(ROOT / "main_pytest.py", target / "main_pytest.py")
    for name, test in tests.items():
        path = target / name
        (path / "devops").mkdir(parents=True)
        (path / "devops" / ".gitkeep").touch()
        (path / "test").mkdir()
        # The name `pyproject.toml` would make the data a runnable dir of this repo without marks.
        shutil.copy(_LOCKED / "project.toml", path / "pyproject.toml")
        shutil.copy(_LOCKED / "poetry.lock", path / "poetry.lock")
        (path / "changelog.txt").write_text(f"# {prefix}-{name}-1.0.0\n- 2026-01-01\n- first\n")
        (path / "test" / "test_it.py").write_text(test)
        for number in range(FILES - 5):
            (path / f"module{number}.py").write_text(f"number = {number}\n")
    (target / ".gitignore").write_text("".join(f"{name}\n" for name in ("__pycache__", *ignored)))
    author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.invalid"]
    for command in (["add", "--all"], [*author, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *command], cwd=target, check=True)
    return target


def ask(question: str, root: Path, python: Path, *arguments: object, cache: Path | None = None) -> Any:
    """Return what the toolchain of the checkout at `root` answers to a question of `ask.py`.

    Arguments:
        question: its name there.
        root: the checkout.
        python: that of the thin environment.
        arguments: those of the question.
        cache: where all is kept that can be made again; None is the user's own place.
    """
    script = Path(__file__).with_name("ask.py")
    argv = [str(python), str(script), question, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(root), **({"HELPERS_CACHE": str(cache)} if cache else {})}
    return json.loads(subprocess.run(argv, cwd=root, env=env, stdout=subprocess.PIPE, check=True).stdout)


def remove_images(prefix: str) -> None:
    """Remove all images whose names begin with `prefix`."""
    listing = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={prefix}*"]
    found = subprocess.run(listing, check=True, capture_output=True, text=True)
    if names := found.stdout.split():
        subprocess.run(["docker", "image", "rm", "--force", *names], check=True, capture_output=True)
