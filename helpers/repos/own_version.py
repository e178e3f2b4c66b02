"""The version of helpers itself, and whether it is one that the super-repo says it works with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from helpers import checkout_file, toolchain_path
from helpers.errors import PolicyError
from helpers.model import settings_file

PACKAGE = Path(__file__).resolve().parents[1]
CHANGELOG = "changelog.txt"
# In every spelling of TOML, where a backslash can stand for any letter. A false match only costs a read of settings.
_MAY_BE_SET = re.compile(rb"helpers[\"']?[ \t]*=|\\")
# Tasks that say what is wrong, or that move the pin of helpers.
_MENDERS = ("repo_", "doctor")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.model.version import Range, Version


def check_for_task(name: str) -> None:
    """Refuse a task in a repo that works with other versions of helpers, unless it is one that mends this.

    Raises:
        PolicyError: it works with other versions.
    """
    if not name.startswith(_MENDERS):
        check()


def check(package: Path = PACKAGE) -> None:
    """Refuse to work in a repo that works with other versions of helpers. Where it says nothing that costs nothing.

    Arguments:
        package: the helpers that runs.

    Raises:
        PolicyError: it works with other versions.
        ConfigError: its settings, or the changelog of helpers, are wrong.
    """
    for root in super_repos(package):
        if wanted := wanted_range(root):
            refuse_other(own(package), wanted, root)


def own(package: Path = PACKAGE) -> Version:
    """Return the version of a helpers, by its changelog.

    Raises:
        ConfigError: the changelog is missing or wrong.
    """
    from helpers import config
    from helpers.model import changelog

    file = package / CHANGELOG
    return changelog.parse(config.read_text(file), str(file)).version


def wanted_range(root: Path) -> Range | None:
    """Return the versions of helpers that the repo at `root` works with; None where it does not say.

    Raises:
        ConfigError: its settings are wrong.
    """
    texts = (checkout_file.read_if_there(root / name) for name in ("pyproject.toml", settings_file.NAME))
    if not any(_MAY_BE_SET.search(text or b"") for text in texts):
        return None
    from helpers import config
    from helpers.model.version import Range

    setting = config.repo_settings(root).helpers
    return Range.parse(setting) if setting else None


def refuse_other(version: Version, wanted: Range, root: Path) -> None:
    """Refuse a version of helpers that is not in the range of the repo at `root`.

    Raises:
        PolicyError: it is not.
    """
    if wanted.allows(version):
        return
    if wanted.is_above(version):
        fix = f"invoke repo_roll_forward --only {toolchain_path.stated(root)}  (to its newest commit)"
    else:
        from helpers.repo.location import git_in

        update = f"{git_in(root)} submodule update {toolchain_path.stated(root)}"
        fix = f"{update}  (to the one that this repo records), or widen the range and run the tests"
    raise PolicyError(f"works with helpers {wanted}, and this is helpers {version}", where=root, fix=fix)


def super_repos(package: Path = PACKAGE) -> Iterator[Path]:
    """Yield the repo whose shims lead to `package`: the repo that helpers is made in, and the repo around that."""
    for above in package.parents:
        place = above / toolchain_path.stated(above)
        if package in (place, place / toolchain_path.NAME):
            yield above
