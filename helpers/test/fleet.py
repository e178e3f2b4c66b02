"""A fleet of real git repos: bare remotes, and a super-repo with submodules in every state, nested three deep."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.repo import remotes

# Submodules of the fleet come from paths on this machine, which only the user's own configuration can allow.
USER = '[user]\n\tname = t\n\temail = t@example.invalid\n[protocol "file"]\n\tallow = always\n'
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "protocol.file.allow=always")


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a user whose whole git configuration lies in `home`."""
    file = home / "gitconfig"
    if not file.exists():
        file.write_text(USER)
    return {"GIT_CONFIG_GLOBAL": str(file), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user of git who allows paths on this machine, and has no other settings."""
    home = tmp_path / "user"
    home.mkdir()
    for name, value in {**environment(home), "HELPERS_CACHE": str(home / "cache")}.items():
        monkeypatch.setenv(name, value)
    remotes.local_allowed.cache_clear()
    yield home
    remotes.local_allowed.cache_clear()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A fleet of 5 repos in order, three deep, that `one` gives out again and again."""
    made = small(tmp_path_factory.mktemp("fleet") / "a home")
    shutil.copytree(made.home, made.home.with_name("kept"), symlinks=True)
    return made


@pytest.fixture
def one(pristine: Fleet, user: Path) -> Fleet:
    """A fleet of 5 repos in order, three deep."""
    shutil.rmtree(pristine.home)
    shutil.copytree(pristine.home.with_name("kept"), pristine.home, symlinks=True)
    return pristine


def git(cwd: Path, *arguments: str) -> str:
    """Run git as a user who allows paths on this machine."""
    # Without the examples of hooks, which would be most files of a repo.
    env = {**os.environ, "GIT_ALLOW_PROTOCOL": "file", "GIT_TEMPLATE_DIR": ""}
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"git {arguments} in {cwd}: {done.stderr}"
    return done.stdout


def commit(root: Path, name: str = "file.txt", text: str = "") -> str:
    """Commit everything, after `text` was added to a file, and return the commit."""
    with (root / name).open("a") as file:
        file.write(text or f"{root.name}\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", f"change {name}")
    return git(root, "rev-parse", "HEAD").strip()


def in_a_rebase(fleet: Fleet, path: str) -> None:
    """Leave a rebase of the branch `mine`, whose second commit does not fit, unfinished at a path of the tree."""
    root = fleet.at(path)
    git(root, "switch", "--quiet", "--create", "other")
    commit(root, text="other\n")
    git(root, "switch", "--quiet", "--create", "mine", "HEAD^")
    commit(root, "mine.txt")
    commit(root, text="mine\n")
    with pytest.raises(AssertionError, match=r"CONFLICT|could not apply"):
        git(root, "rebase", "--quiet", "other")


class Fleet:
    """Bare remotes in `remotes/` below `home`, and the checkout of the super-repo `top`.

    Arguments:
        home: an empty directory.
        files: how many files each repo has besides the first one.
    """

    def __init__(self, home: Path, files: int = 0) -> None:
        self.home = home
        self.files = files
        self.remotes = home / "remotes"
        self.top = home / "top"
        self.remotes.mkdir(parents=True)

    def remote(self, name: str, **submodules: str) -> Path:
        """Make a bare remote with one commit, and with submodules: remote by path, `__` in a name is a slash."""
        bare, work = self.remotes / f"{name}.git", self.home / f"work of {name}"
        git(self.home, "init", "--quiet", "--bare", "--initial-branch", "main", str(bare))
        git(self.home, "clone", "--quiet", str(bare), str(work))
        git(work, "checkout", "--quiet", "-B", "main")
        for number in range(self.files):
            file = work / f"dir{number % 20}" / f"file{number}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{name} {number}\n")
        for path, sub in submodules.items():
            git(work, "submodule", "add", "--quiet", f"../{sub}.git", path.replace("__", "/"))
        self.push(name)
        return bare

    def push(self, name: str) -> str:
        """Add a commit to a remote and return it."""
        work = self.home / f"work of {name}"
        made = commit(work)
        git(work, "push", "--quiet", "origin", "HEAD:main")
        return made

    def pin(self, name: str, **pins: str) -> str:
        """Commit to a remote the newest commits of submodules: remote by path, as in `remote`; return the commit."""
        work = self.home / f"work of {name}"
        for path, sub in pins.items():
            made = git(self.remotes / f"{sub}.git", "rev-parse", "main").strip()
            git(work / path.replace("__", "/"), "fetch", "--quiet")
            git(work / path.replace("__", "/"), "checkout", "--quiet", made)
        return self.push(name)

    def clone(self) -> None:
        """Check out `top` with all submodules that can be had."""
        git(self.home, "clone", "--quiet", "--recurse-submodules", str(self.remotes / "top.git"), str(self.top))

    def head(self, path: str, name: str = "HEAD") -> str:
        """Return the commit that is checked out at a path of the tree, or that another name stands for there."""
        return git(self.at(path), "rev-parse", name).strip()

    def at(self, path: str) -> Path:
        """Return the checkout at a path of the tree."""
        return self.top / path


def clean(home: Path, files: int = 0) -> Fleet:
    """Return a fleet of 12 checkouts, each one in order: three deep, with one sub-repo that two super-repos share."""
    fleet = Fleet(home, files)
    fleet.remote("deep")
    fleet.remote("shared", vendor__deep="deep")
    fleet.remote("one", libs__shared="shared")
    fleet.remote("two", libs__shared="shared")
    for name in ("docs", "data", "tools", "plots", "models"):
        fleet.remote(name)
    subs = {"apps__one": "one", "apps__two": "two", "my docs": "docs"}
    fleet.remote("top", **subs, data="data", tools="tools", plots="plots", models="models")
    fleet.clone()
    return fleet


def small(home: Path) -> Fleet:
    """Return a fleet of 5 checkouts, each one in order, three deep."""
    fleet = Fleet(home)
    for name in ("shared", "tools", "data"):
        fleet.remote(name)
    fleet.remote("one", libs__shared="shared")
    fleet.remote("top", apps__one="one", tools="tools", data="data")
    fleet.clone()
    return fleet


def troubled(home: Path) -> Fleet:
    """Return a fleet with a repo in every state."""
    fleet = Fleet(home)
    for name in ("deep", "secret", "absent", "docs", "data", "tools", "plots", "moved"):
        fleet.remote(name)
    fleet.remote("shared", vendor__deep="deep")
    fleet.remote("one", libs__shared="shared")
    fleet.push("shared")
    fleet.remote("two", libs__shared="shared")
    subs = {"apps__one": "one", "apps__two": "two", "my docs": "docs", "secret": "secret", "absent": "absent"}
    fleet.remote("top", **subs, data="data", tools="tools", plots="plots", moved="moved")
    fleet.clone()
    for name in ("secret", "absent"):
        git(fleet.top, "submodule", "deinit", "--quiet", "--force", name)
    shutil.rmtree(fleet.top / ".git" / "modules" / "secret")
    (fleet.remotes / "secret.git").rename(fleet.home / "taken away")
    _trouble(fleet)
    return fleet


def _trouble(fleet: Fleet) -> None:
    # my docs: on a branch, three files changed or new, and a directory that is new.
    docs = fleet.at("my docs")
    git(docs, "checkout", "--quiet", "main")
    (docs / "file.txt").write_text("changed\n")
    (docs / "staged.txt").write_text("new\n")
    git(docs, "add", "staged.txt")
    (docs / "new dir").mkdir()
    (docs / "new dir" / "new.txt").write_text("new\n")
    # data: its pin is a commit that nobody else has; two commits ahead.
    data = fleet.at("data")
    git(data, "checkout", "--quiet", "main")
    commit(data)
    commit(data)
    git(fleet.top, "add", "data")
    # tools: one behind, as fetched.
    fleet.push("tools")
    git(fleet.at("tools"), "fetch", "--quiet")
    git(fleet.at("tools"), "checkout", "--quiet", "main")
    # moved: detached at another commit than the pin, which is there.
    fleet.push("moved")
    git(fleet.at("moved"), "fetch", "--quiet")
    git(fleet.at("moved"), "checkout", "--quiet", "--detach", "origin/main")
