"""`invoke repo_example`: lays out a super-repo with submodules and their origins, to try the commands over repos on."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from helpers.console import printable, say
from helpers.dirs import create
from helpers.errors import OK, UsageError
from helpers.repo.creating import Origins
from helpers.repos import init, shared_files
from helpers.repos.shared_files import PACKAGE, Write
from helpers.repos.stated_path import StatedPath
from helpers.toolchain_path import NAME

SUPER_REPO = "shop"
NO_ACCESS = "payroll"
_ORIGINS = "origins"
_TEMPLATES = PACKAGE / "templates" / "example"
# A runnable dir and a change log of a template would be one of the repo that the template lies in.
_TEMPLATE_SUFFIX = ".in"
_CHANGE = "printf '\\n\\ndef half(price: int) -> int:\\n    return price // 2\\n' >> lib/src/prices/__init__.py"
# One line each; the shell of a newcomer may be zsh, which knows no comment at a prompt.
_COMMANDS = (
    "source dev_scripts/setenv.sh",
    # For this shell alone: git takes a path for a submodule's URL only if the user says so.
    "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always",
    "main_pytest.py --submodules",
    "invoke repo_status",
    _CHANGE,
    "main_pytest.py --submodules",
    "git -C lib commit --quiet --all --message 'half a price' && git -C lib push --quiet",
    "invoke repo_roll_forward --only lib --push",
)


def main(directory: str, *, dry_run: bool = False, cwd: Path | None = None) -> int:
    """Lay out the example at `directory`, print the commands to try, and return the exit code.

    Arguments:
        directory: a path that does not exist, or an empty directory; relative to `cwd`.
        dry_run: say what would be made, and make nothing.
        cwd: where the command was given.

    Raises:
        UsageError: the directory has content.
        PolicyError: git has no name and address for a commit.
        InfrastructureError: git or the disk fails.
    """
    here = (cwd or Path.cwd()).resolve()
    target = Path(os.path.realpath(here / directory))
    _check(target)
    repos = sorted(path.name for path in _TEMPLATES.iterdir())
    shown = printable(os.path.relpath(target, here))
    submodules = ", ".join((NAME, *repos))
    say(f"{_ORIGINS}/: the bare repos {submodules} and {SUPER_REPO}")
    say(f"{SUPER_REPO}/: the super-repo with the submodules {submodules}, and {NO_ACCESS}, to which there is no access")
    if dry_run:
        say(f"dry run, nothing is made in {shown}")
        return OK
    with create.made_aside(target) as aside:
        _make(aside, target, repos)
        os.rename(aside, target)
    say(f"made {shown}; try these commands, one after the other:")
    print(f"cd {shlex.quote(os.path.relpath(target / SUPER_REPO, here))}", *_COMMANDS, sep="\n")
    return OK


def _check(target: Path) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(
            "is there already and has content, nothing of which is overwritten",
            where=target,
            fix="invoke repo_example DIR, with a DIR that does not exist",
        )


def _make(aside: Path, target: Path, repos: list[str]) -> None:
    files, root = aside / "files", aside / SUPER_REPO
    origins = Origins(aside / _ORIGINS, target / _ORIGINS)
    origins.place.mkdir()
    origins.super_repo(root)
    names = [NAME, *repos, NO_ACCESS]
    _write_files(files, repos)
    for name in names:
        origins.add(name, files / name)
    shutil.rmtree(files)
    origins.submodules(root, names)
    wanted = init.plan(root, None, StatedPath())
    with shared_files.written(root, [Write(file.path, None, file.after.encode(), file.mode) for file in wanted]):
        origins.publish(root)
    origins.take_away(root, NO_ACCESS)


def _write_files(files: Path, repos: list[str]) -> None:
    """Write the files of each submodule into a directory of its name."""
    for name in repos:
        shutil.copytree(_TEMPLATES / name, files / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in files.rglob(f"*{_TEMPLATE_SUFFIX}"):
        path.rename(path.with_suffix(""))
    shutil.copytree(PACKAGE, files / NAME, ignore=shutil.ignore_patterns("__pycache__", ".git"))
    (files / NO_ACCESS).mkdir()
    (files / NO_ACCESS / "README.md").write_text("# payroll\n\nNot for everybody.\n", "utf-8")
