"""Checks of the toolchain itself: git, Python, the thin environment and its packages."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers import repo
from helpers.console import THIN_ENV
from helpers.doctor.finding import MISSING, OK, WARN, Check
from helpers.thin_env import bootstrap, is_ready

_PACKAGES = ("invoke", "uv")
# The first one that prints the directory of a worktree's objects as an absolute path.
_GIT = (2, 31)
_PYTHON = (3, 10)


@dataclass(frozen=True)
class ThinEnv:
    """The thin environment of this checkout and this Python.

    Arguments:
        path: where it belongs.
        ready: whether it was made to its end.
        inside: whether this process runs in it.
    """

    path: str
    ready: bool
    inside: bool


def gather_git() -> str:
    """Return what git says of its version; empty when it is not on PATH."""
    return repo.version()


def judge_git(answer: str) -> tuple[str, str, str]:
    """Git is new enough."""
    if not answer:
        return MISSING, "not on PATH", "sudo apt-get install git"
    found = re.search(r"(\d+)\.(\d+)\S*", answer)
    if not found:
        return WARN, f"cannot tell: git says {answer!r}", ""
    if (int(found[1]), int(found[2])) < _GIT:
        needed = ".".join(map(str, _GIT))
        return MISSING, f"{found[0]} is older than {needed}", "sudo apt-get install git  (or from a newer release)"
    return OK, found[0], ""


def gather_python() -> tuple[int, int, int]:
    """Return the version of this Python."""
    return sys.version_info[:3]


def judge_python(version: tuple[int, int, int]) -> tuple[str, str, str]:
    """Python is new enough."""
    text = ".".join(map(str, version))
    if version[:2] < _PYTHON:
        needed = ".".join(map(str, _PYTHON))
        return MISSING, f"{text} is older than {needed}", f"export HELPERS_PYTHON=PATH  (of {needed} or newer)"
    return OK, text, ""


def gather_thin_env() -> ThinEnv:
    """Look where the thin environment belongs."""
    path = bootstrap.env_path(bootstrap.REQUIREMENTS)
    return ThinEnv(path, is_ready(path), os.path.realpath(sys.prefix) == os.path.realpath(path))


def judge_thin_env(env: ThinEnv) -> tuple[str, str, str]:
    """The thin environment is there and used."""
    if not env.ready:
        return WARN, f"not made yet: {env.path}", THIN_ENV
    if not env.inside:
        return WARN, f"this process runs outside it: {env.path}", THIN_ENV
    return OK, env.path, ""


def gather_packages() -> dict[str, tuple[str, str]]:
    """Return (version asked for, version found or empty) of each package that the toolchain itself uses."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", Path(bootstrap.REQUIREMENTS).read_text(), re.MULTILINE)
    return {name: (version, _installed(name)) for name, version in pins if name in _PACKAGES}


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def judge_packages(versions: dict[str, tuple[str, str]]) -> tuple[str, str, str]:
    """Packages are those of requirements.txt."""
    off = [name for name, (asked, found) in versions.items() if asked != found]
    if off:
        return (
            WARN,
            ", ".join(f"{name} {versions[name][1] or 'none'}, not {versions[name][0]}" for name in off),
            THIN_ENV,
        )
    return OK, ", ".join(f"{name} {found}" for name, (_, found) in versions.items()), ""


CHECKS: tuple[Check[Any], ...] = (
    Check("git", gather_git, judge_git),
    Check("python", gather_python, judge_python),
    Check("thin environment", gather_thin_env, judge_thin_env),
    Check("packages", gather_packages, judge_packages),
)
