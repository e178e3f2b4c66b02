"""What a stranger's checkout may try when it is looked at; a file PWNED must never appear."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import repo
from helpers.errors import InfrastructureError
from helpers.repo import remotes
from helpers.repos import tree
from helpers.test import fleet
from helpers.test.fleet import git

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Scene:
    """A super-repo `top` with a submodule `sub`, in the hands of a stranger.

    Arguments:
        top: the checkout.
        trap: a program that leaves the mark, and gives on what it reads.
        mark: what no look may make.
    """

    top: Path
    trap: Path
    mark: Path

    @property
    def sub(self) -> Path:
        return self.top / "sub"

    def said(self, *, offline: bool = False) -> dict[str, str]:
        """Return what is said of each repo, after every look that we have was taken."""
        found = {row.path: ", ".join(map(str, row.states)) for row in tree.rows(self.top, offline=offline)}
        repo.files(self.top, "**/*")
        repo.tracked(self.top)
        repo.commit(self.top)
        return found

    def configure(self, root: Path, *pairs: tuple[str, str]) -> None:
        for key, value in pairs:
            git(root, "config", key, value)

    def modules(self, key: str, value: str) -> None:
        git(self.top, "config", "--file", ".gitmodules", f"submodule.sub.{key}", value)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name, value in fleet.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    remotes.local_allowed.cache_clear()
    one = fleet.Fleet(tmp_path)
    one.remote("sub")
    one.remote("top", sub="sub")
    one.clone()
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\n: > '{tmp_path}/PWNED'\nexec cat\n")
    trap.chmod(0o755)
    yield Scene(one.top, trap, tmp_path / "PWNED")
    remotes.local_allowed.cache_clear()


def monitor(scene: Scene, root: Path) -> None:
    scene.configure(root, ("core.fsmonitor", str(scene.trap)))


def hook(scene: Scene, root: Path) -> None:
    hooks = scene.top.parent / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").symlink_to(scene.trap)
    scene.configure(root, ("core.hooksPath", str(hooks)))
    os.utime(root / "file.txt", (1, 1))


def filtered(scene: Scene, root: Path, name: str = "x", key: str = "clean") -> None:
    """Let a file that may have changed be given to a filter."""
    scene.configure(root, (f"filter.{name}.{key}", str(scene.trap)), (f"filter.{name}.required", "true"))
    info = Path(git(root, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()) / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text(f"* filter={name}\n")
    os.utime(root / "file.txt", (1, 1))


def process(scene: Scene, root: Path) -> None:
    filtered(scene, root, key="process")


def filter_with_an_odd_name(scene: Scene, root: Path) -> None:
    filtered(scene, root, name="a=b.C")


def filter_from_another_file(scene: Scene, root: Path) -> None:
    filtered(scene, root)
    config = Path(git(root, "rev-parse", "--path-format=absolute", "--git-dir").strip()) / "config"
    text = config.read_text()
    other = scene.top.parent / "other"
    at = text.index("[filter")
    other.write_text(text[at:])
    config.write_text(f"{text[:at]}[iNcLuDe]\n\tpath = {other}\n")


def filter_of_the_worktree(scene: Scene, root: Path) -> None:
    filtered(scene, root)
    git(root, "config", "extensions.worktreeConfig", "true")
    git(root, "config", "--worktree", "filter.x.clean", str(scene.trap))
    git(root, "config", "--unset", "filter.x.clean")


def filter_that_is_in_capitals(scene: Scene, root: Path) -> None:
    filtered(scene, root)
    config = Path(git(root, "rev-parse", "--path-format=absolute", "--git-dir").strip()) / "config"
    config.write_text(config.read_text().replace("[filter", "[FILTER"))


def missing_object(scene: Scene, root: Path) -> None:
    """Let a partial clone lack its newest tree, and fetch it by a program."""
    # Not the trap itself: it would wait for git, and git for it.
    program = scene.top.parent / "fetch"
    program.write_text(f"#!/bin/sh\n: > '{scene.mark}'\n")
    program.chmod(0o755)
    scene.configure(
        root,
        *(("extensions.partialClone", "origin"), ("remote.origin.promisor", "true")),
        *(("remote.origin.url", f"ext::{program}"), ("protocol.ext.allow", "always")),
    )
    git_dir = Path(git(root, "rev-parse", "--path-format=absolute", "--git-dir").strip())
    tree_id = git(root, "rev-parse", "HEAD^{tree}").strip()
    for pack in (git_dir / "objects" / "pack").glob("*"):
        pack.chmod(0o600)
        data = pack.read_bytes()
        pack.unlink()
        if pack.suffix == ".pack":
            subprocess.run(["git", "unpack-objects", "-q"], cwd=root, input=data, check=True)
    (git_dir / "objects" / tree_id[:2] / tree_id[2:]).unlink()


def signature(scene: Scene, root: Path) -> None:
    scene.configure(root, ("log.showSignature", "true"), ("gpg.program", str(scene.trap)))
    raw = git(root, "cat-file", "commit", "HEAD")
    head, _, body = raw.partition("\n\n")
    signed = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    file = scene.top.parent / "commit"
    file.write_text(f"{head}\n{signed}\n\n{body}")
    made = git(root, "hash-object", "-t", "commit", "-w", str(file)).strip()
    git(root, "update-ref", "HEAD", made)


def pager_and_alias(scene: Scene, root: Path) -> None:
    for key in ("core.pager", "pager.status", "alias.status", "core.editor", "core.askPass", "diff.external"):
        scene.configure(root, (key, f"!{scene.trap}" if key.startswith("alias") else str(scene.trap)))


@pytest.mark.parametrize("where", ["top", "sub"])
@pytest.mark.parametrize(
    "trick, bites",
    [
        (monitor, ("status",)),
        (hook, ("status",)),
        (filtered, ("status",)),
        (process, ("status",)),
        (filter_with_an_odd_name, ("status",)),
        (filter_from_another_file, ("status",)),
        (filter_of_the_worktree, ("status",)),
        (filter_that_is_in_capitals, ("status",)),
        (missing_object, ("status",)),
        (signature, ("log", "-1")),
        (pager_and_alias, ("diff",)),
    ],
)
def test_nothing_of_a_checkouts_own_configuration_runs(
    scene: Scene, trick: Callable[[Scene, Path], None], bites: tuple[str, ...], where: str
) -> None:
    root = scene.top if where == "top" else scene.sub
    (root / "file.txt").write_text((root / "file.txt").read_text())
    trick(scene, root)
    if trick is pager_and_alias:
        (root / "file.txt").write_text("changed\n")
    scene.mark.unlink(missing_ok=True)
    scene.said()
    # Of one that lacks an object git can not say it.
    with suppress(InfrastructureError):
        repo.changes(scene.top)
    repo.work_trees(scene.sub)
    assert not scene.mark.exists()
    # The same trick works on plain git, so the test can fail.
    subprocess.run(["git", *bites], cwd=root, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=30)
    assert scene.mark.exists(), "the trick is none"


def test_the_users_own_filter_stays_in_use_where_a_checkout_names_one_of_its_name(scene: Scene) -> None:
    own = scene.top.parent / "own filter"
    own.write_text(f"#!/bin/sh\n: > '{scene.top.parent}/own'\nexec cat\n")
    own.chmod(0o755)
    git(scene.top, "config", "--file", os.environ["GIT_CONFIG_GLOBAL"], "filter.x.clean", f"'{own}'")
    filtered(scene, scene.top)
    assert scene.said()["."] == ""
    assert (scene.top.parent / "own").exists() and not scene.mark.exists()


NAMED: list[tuple[str, str, str]] = [
    ("url", "ext::sh -c TRAP", "refused: the URL names a program (ext::)"),
    ("url", "-u./p", "refused: the URL begins with '-'"),
    ("url", "ssh://-oProxyCommand=TRAP/x", "refused: the URL has no host, or a part that begins with '-'"),
    ("url", "http://host.invalid/x", "refused: the URL's scheme is http, not https or ssh"),
    ("url", "../../../../../../../../../../../x", "refused: the URL leads above the root of the super-repo's server"),
    ("update", "!TRAP", "refused: update = !TRAP is a command, and is never run"),
    ("branch", "--upload-pack=TRAP", "refused: branch '--upload-pack=TRAP' begins with '-'"),
]


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("key, value, wanted", NAMED)
def test_what_gitmodules_may_not_say_is_named_and_not_done(
    scene: Scene, key: str, value: str, wanted: str, absent: bool
) -> None:
    if absent:
        git(scene.top, "submodule", "deinit", "--quiet", "--force", "sub")
    # What would let the trick through if the checkout's configuration counted.
    scene.configure(scene.top, ("protocol.ext.allow", "always"), ("core.sshCommand", str(scene.trap)))
    scene.modules(key, value.replace("TRAP", str(scene.trap)))
    told = scene.said()["sub"]
    assert wanted.replace("TRAP", str(scene.trap)) in told
    assert ("not checked out" in told) is absent
    assert not scene.mark.exists()


@pytest.mark.parametrize(
    "path, wanted",
    [
        ("../out", "refused: the path leads out of the repo"),
        ("/etc", "refused: the path is absolute"),
        ("-u./p", "refused: the path begins with '-'"),
        ("a/.GIT/hooks", "refused: the path leads into a .git"),
        ("a\nb", "refused: the path holds a control character, or is not UTF-8"),
        ("link/in", "refused: a submodule's path leads through a symlink"),
    ],
)
def test_a_path_that_leads_elsewhere_is_named_and_not_entered(scene: Scene, path: str, wanted: str) -> None:
    scene.modules("path", path)
    if path == "link/in":
        # It leads to a good repo outside, whose state must not be told.
        (scene.top / "link").symlink_to(scene.top.parent)
        fleet.git(scene.top.parent, "clone", "--quiet", str(scene.top.parent / "remotes" / "sub.git"), "in")
        head = git(scene.top, "rev-parse", "HEAD").strip()
        (scene.top / "link").unlink()
        git(scene.top, "update-index", "--force-remove", "sub")
        git(scene.top, "update-index", "--add", "--cacheinfo", f"160000,{head},link/in")
        (scene.top / "link").symlink_to(scene.top.parent)
    told = scene.said()
    assert wanted in told[path]
    assert not scene.mark.exists()


@pytest.mark.parametrize("name", ["../evil", "a/../../b", "-x", "/abs", "a\\..\\b"])
def test_a_name_that_leads_elsewhere_is_named_and_not_entered(scene: Scene, name: str) -> None:
    git(scene.top, "config", "--file", ".gitmodules", "--rename-section", "submodule.sub", f"submodule.{name}")
    told = scene.said()["sub"]
    assert told.startswith("refused: the name ")
    assert "differs" not in told


def test_gitmodules_that_is_a_symlink_or_includes_a_file_is_not_followed(scene: Scene) -> None:
    file = scene.top / ".gitmodules"
    other = scene.top.parent / "elsewhere"
    other.write_text(file.read_text())
    file.write_text(f"[include]\n\tpath = {other}\n")
    assert scene.said()["sub"] == "not in .gitmodules"
    file.unlink()
    file.symlink_to(other)
    assert "error: .gitmodules: is no plain file" in scene.said()["."]


def test_a_path_on_this_machine_is_refused_unless_the_user_allows_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scene.said()["sub"] == ""
    # The checkout's own permission is none.
    scene.configure(scene.top, ("protocol.file.allow", "always"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    remotes.local_allowed.cache_clear()
    assert "refused: the URL is a path on this machine" in scene.said()["sub"]


def test_a_remote_is_asked_by_the_users_ssh_and_by_none_of_the_checkouts_programs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(scene.top, "submodule", "deinit", "--quiet", "--force", "sub")
    scene.modules("url", "ssh://git@host.invalid/team/sub")
    for key in ("core.sshCommand", "core.gitProxy", "credential.helper", "core.askPass", "remote.origin.uploadpack"):
        scene.configure(scene.top, (key, str(scene.trap)))
    scene.configure(scene.top, (f"url.ext::{scene.trap} .insteadOf", "ssh://"), ("protocol.ext.allow", "always"))
    asked = scene.top.parent / "asked"
    own = scene.top.parent / "own ssh"
    denied = "ana@host: Permission denied (publickey)."
    own.write_text(f"#!/bin/sh\necho \"$@\" > '{asked}'\necho '{denied}' >&2\nexit 255\n")
    own.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"'{own}'")
    assert scene.said(offline=True)["sub"] == "not checked out"
    assert not asked.exists()
    assert scene.said()["sub"] == f"no access ({denied})"
    assert "BatchMode=yes" in asked.read_text() and not scene.mark.exists()


def test_a_remote_that_does_not_answer_holds_nobody_up_and_leaves_nothing_running(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(scene.top, "submodule", "deinit", "--quiet", "--force", "sub")
    scene.modules("url", "git@host.invalid:team/sub")
    own, process_id = scene.top.parent / "own ssh", scene.top.parent / "id"
    own.write_text(f"#!/bin/sh\necho $$ > '{process_id}'\nread answer < /dev/tty\nexec sleep 60\n")
    own.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"'{own}'")
    monkeypatch.setattr(remotes, "_NETWORK_SECONDS", 0.7)
    assert scene.said()["sub"] == "no access (gave no answer within 0.7 s)"
    state = Path(f"/proc/{process_id.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.host
def test_a_repo_of_another_user_is_left_to_gits_own_rule(scene: Scene) -> None:
    kept = scene.top / ".git" / "modules" / "sub"
    for path in (scene.sub, scene.sub / ".git", kept):
        os.chown(path, 12345, 12345)
    assert "safe.directory" in scene.said()["sub"]


def test_a_bare_repo_in_a_checkout_is_not_taken_for_the_checkout(scene: Scene) -> None:
    git(scene.top, "submodule", "deinit", "--quiet", "--force", "sub")
    git(scene.sub, "init", "--quiet", "--bare", ".")
    git(scene.sub, "config", "core.fsmonitor", str(scene.trap))
    git(scene.sub, "config", "core.worktree", str(scene.top))
    assert scene.said()["sub"] == "not checked out"
    assert not scene.mark.exists()


def test_a_worktree_that_the_configuration_names_is_not_looked_at(scene: Scene) -> None:
    elsewhere = scene.top.parent / "home"
    elsewhere.mkdir()
    (elsewhere / "private.txt").write_text("x")
    git(scene.sub, "config", "core.worktree", str(elsewhere))
    assert scene.said()["sub"] == ""
