"""Where helpers lies in a super-repo: its shims state the path, so each repo of a tree can have another one."""

from __future__ import annotations

import re
from pathlib import Path

from helpers import checkout_file
from helpers.errors import ConfigError
from helpers.thin_env import invoke_script

NAME = "helpers"
BOOTSTRAP = Path("thin_env") / "bootstrap.py"
# The path becomes a part of shell, Python, YAML and TOML files.
_PLAIN = re.compile(rf"(?:[A-Za-z0-9_.-]+/)*{NAME}")


def stated(root: Path) -> str:
    """Return the path of helpers that the shims of the repo at `root` state, relative to `root`; without shims `NAME`.

    Arguments:
        root: absolute path of the super-repo.
    """
    try:
        shim = checkout_file.read_if_there(root / "tasks.py")
    except ConfigError:
        shim = None  # the commands that need it report it
    path = invoke_script.place_in(shim.decode("utf-8", "replace")) if shim else NAME
    return path if is_plain(path) else NAME


def is_plain(path: str) -> bool:
    """Return whether helpers can lie at a path: the last part is the name of the package, and nothing needs quotes."""
    return bool(_PLAIN.fullmatch(path)) and not {".", ".."} & {*path.split("/")}


def package(root: Path) -> Path | None:
    """Return the package of helpers in the repo at `root`, of the sub-repo alone or of the whole repo; None if absent.

    Arguments:
        root: absolute path of the super-repo.
    """
    place = root / stated(root)
    return next((path for path in (place, place / NAME) if (path / BOOTSTRAP).is_file()), None)


def places(root: Path) -> tuple[Path, ...]:
    """Return where helpers lies in the repo at `root`: where its shims lead, and this code; empty without helpers.

    Arguments:
        root: absolute path of the super-repo, which may have no shims yet.
    """
    found = (package(root), Path(__file__).resolve().parent)
    return tuple(dict.fromkeys(path for path in found if path and path.is_relative_to(root)))
