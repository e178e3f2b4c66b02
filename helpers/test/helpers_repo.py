"""A repo of helpers with nothing but templates, published in versions, and a super-repo that has it as a submodule."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.repos import shared_files, sync
from helpers.repos.shared_files import PACKAGE
from helpers.repos.stated_path import StatedPath
from helpers.test.conftest import thin_env
from helpers.test.fleet import environment
from helpers.test.unit_fixtures import forget, git, make_repo

EDITORCONFIG = ".editorconfig"
SHIM = "tasks.py"
# Far enough from each other that git merges one without the other.
TEXT = "".join(f"line {number}\n" for number in range(1, 13))


def _not_copied(directory: str, names: list[str]) -> set[str]:
    return {"__pycache__", "test"} if Path(directory) == PACKAGE else {"__pycache__"}


class HelpersRepo:
    """A remote of helpers and a super-repo with it as a submodule.

    Arguments:
        home: an empty directory.
        whole: the submodule is the whole repo, so that the package is `helpers/helpers`.
        code: the code is there, too.
        path: of the submodule.
    """

    def __init__(self, home: Path, *, whole: bool = False, code: bool = False, path: str = "helpers") -> None:
        forget()
        self.path = path
        self.remote = make_repo(home / "remote of helpers")
        self.prefix = Path("helpers") if whole else Path()
        source, target = PACKAGE, self.remote / self.prefix
        if code:
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=_not_copied)
            self.changelog("0.1.0")
        else:
            shutil.copytree(source / "templates", target / "templates")
        self.template(EDITORCONFIG, TEXT)
        self.first = self.publish("first")
        self.root = make_repo(home / "a super repo")
        git(self.root, "submodule", "--quiet", "add", str(self.remote), path)
        self.package = self.root / path / self.prefix
        if code or path != "helpers":
            stated = StatedPath(path, (path / self.prefix).as_posix())
            shims = {template.path: template.content for template in shared_files.shims(stated, self.package)}
            (self.root / SHIM).write_bytes(shims[SHIM])
        self.settings('sync = [".editorconfig"]')
        self.commit("helpers")

    def template(self, path: str, text: str) -> None:
        """Write a template into the remote's checkout."""
        folder = "super_repo" if path == SHIM else "shared"
        file = self.remote / self.prefix / "templates" / folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def changelog(self, *versions: str) -> None:
        """Write the changelog into the remote's checkout, newest version first."""
        entries = (f"# helpers-{version}\n- 2026-11-21\n- what {version} brings\n" for version in versions)
        (self.remote / self.prefix / "changelog.txt").write_text("\n".join(entries))

    def publish(self, message: str) -> str:
        """Commit in the remote and return the commit."""
        git(self.remote, "add", "--all")
        git(self.remote, "commit", "--quiet", "--message", message)
        return git(self.remote, "rev-parse", "HEAD").strip()

    def upgrade(self) -> None:
        """Check out what is published last."""
        git(self.root / self.path, "fetch", "--quiet", "origin")
        git(self.root / self.path, "checkout", "--quiet", "origin/main")

    def settings(self, *lines: str) -> None:
        """Write the settings of the super-repo."""
        (self.root / "pyproject.toml").write_text("\n".join(("[tool.helpers]", *lines, "")))
        forget()

    def commit(self, message: str) -> None:
        """Commit all that is in the super-repo."""
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", message)

    def read(self, path: str) -> str:
        """Return the text of a file of the super-repo, line ends as they are."""
        return (self.root / path).read_bytes().decode()

    def write(self, path: str, text: str) -> None:
        """Write a file of the super-repo, line ends as they are."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(text.encode())

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that is in a file of the super-repo."""
        assert old in self.read(path)
        self.write(path, self.read(path).replace(old, new))


_FOREIGN = (".git", "helpers")


def in_order(home: Path, *, whole: bool = False) -> HelpersRepo:
    """Make a super-repo whose common files are in order."""
    made = HelpersRepo(home, whole=whole)
    assert update(made) == 0
    made.commit("common files")
    return made


def update(repo: HelpersRepo, *theirs: str, dry_run: bool = False) -> int:
    """Merge what moved in the templates, and return the exit code."""
    forget()
    return sync.update(theirs=theirs, dry_run=dry_run, cwd=repo.root, package=repo.package)


def status(repo: HelpersRepo, *, check: bool = True) -> int:
    """Show how the common files stand, and return the exit code."""
    forget()
    return sync.status(as_json=False, check=check, cwd=repo.root, package=repo.package)


def states(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the state of each file that is not in order."""
    capsys.readouterr()
    forget()
    sync.status(as_json=True, check=False, cwd=repo.root, package=repo.package)
    files = json.loads(capsys.readouterr().out)["files"]
    return {item["path"]: item["state"] for item in files if item["state"] != "same"}


def everything(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return content and mode of every file outside of git's own and of helpers."""
    files = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in _FOREIGN]
    return {str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode) for path in files}


def invoke(repo: HelpersRepo, *words: str) -> tuple[int, str, int]:
    """Run a task of the super-repo's own helpers; return its exit code, what it printed, and its process id."""
    process = started(repo, *words)
    printed, _ = process.communicate(timeout=300)
    return process.returncode, printed, process.pid


def started(repo: HelpersRepo, *words: str) -> subprocess.Popen[str]:
    """Start a task of the super-repo's own helpers, in a session of its own."""
    return subprocess.Popen(
        [str(thin_env() / "bin" / "invoke"), *words],
        cwd=repo.root,
        env={**os.environ, **environment(repo.root.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
