"""Makes repos that do not exist yet: bare ones, and a super-repo with submodules of them; nothing of a repo is run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import proc
from helpers.errors import InfrastructureError
from helpers.repo.changing import PLAIN, author
from helpers.repo.door import environment

BRANCH = "main"


@dataclass(frozen=True)
class Origins:
    """A directory of bare repos, made at one path for another path.

    Arguments:
        place: absolute path of the directory.
        later: absolute path that it gets when all is made; the configuration of each checkout names this path.
    """

    place: Path
    later: Path

    def super_repo(self, root: Path) -> None:
        """Make the empty super-repo `root`, and a bare repo of the same name as its remote.

        Raises:
            PolicyError: git has no name and address for a commit.
            InfrastructureError: git fails.
        """
        self._git(self.place, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", f"{root.name}.git")
        self._git(root.parent, "init", "--quiet", f"--initial-branch={BRANCH}", str(root))
        author(root)
        self._git(root, "remote", "add", "origin", f"{self.later.as_uri()}/{root.name}.git")

    def add(self, name: str, files: Path) -> None:
        """Make the bare repo `name` with one commit of a directory's files, ignored ones too.

        Raises:
            InfrastructureError: git fails.
        """
        bare = self.place / f"{name}.git"
        self._git(self.place, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(bare))
        for words in (("add", "--all", "--force"), ("commit", "--quiet", f"--message={name}: first files")):
            self._git(files, f"--git-dir={bare}", f"--work-tree={files}", *words)

    def submodules(self, root: Path, names: Sequence[str]) -> None:
        """Add bare repos to a super-repo as submodules.

        Raises:
            InfrastructureError: git fails.
        """
        for name in names:
            self._git(root, "submodule", "--quiet", "add", "--", f"../{name}.git", name)

    def publish(self, root: Path) -> None:
        """Commit all files of a super-repo, and push the commit.

        Raises:
            InfrastructureError: git fails.
        """
        self._git(root, "add", "--all")
        self._git(root, "commit", "--quiet", "--message=compose the repos")
        self._git(root, "push", "--quiet", "--set-upstream", "origin", BRANCH)

    def take_away(self, root: Path, name: str) -> None:
        """Remove a bare repo and its checkout, as for a user without access to it; its pin stays.

        Raises:
            InfrastructureError: git fails.
        """
        self._git(root, "submodule", "--quiet", "deinit", "--", name)
        shutil.rmtree(root / ".git" / "modules" / name)
        shutil.rmtree(self.place / f"{name}.git")

    def _git(self, cwd: Path, *arguments: str) -> None:
        more = (*PLAIN, (f"url.{self.place.as_uri()}/.insteadOf", f"{self.later.as_uri()}/"))
        # Git refuses paths of this machine as URLs of submodules; these are our own.
        env = {**environment(None, more), "GIT_ALLOW_PROTOCOL": "file", "GIT_TEMPLATE_DIR": ""}
        done = proc.run(["git", *arguments], cwd=cwd, env=env)
        if done.code:
            word = next(argument for argument in arguments if not argument.startswith("-"))
            raise InfrastructureError(f"git {word} failed: {done.reason}", where=cwd)
