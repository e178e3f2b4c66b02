"""What a stranger's checkout may try when something is done with it: a file PWNED must never appear; all is named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.errors import INFRASTRUCTURE, OK, REFUSED
from helpers.repos import branch, foreach, pull, roll_forward
from helpers.test.fleet import Fleet, git, user

__all__ = ["user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]


@dataclass(frozen=True)
class Scene:
    """A super-repo with a submodule `sub`, both in the hands of a stranger, and both with something new to fetch.

    Arguments:
        fleet: the repos.
        trap: a program that leaves the mark, and reads nothing: git would wait for it, and it for git.
        mark: what no command may make.
    """

    fleet: Fleet
    trap: Path
    mark: Path

    @property
    def roots(self) -> tuple[Path, Path]:
        """The two checkouts."""
        return self.fleet.top, self.fleet.top / "sub"

    @property
    def git_dirs(self) -> tuple[Path, Path]:
        """Where git keeps them."""
        return self.fleet.top / ".git", self.fleet.top / ".git" / "modules" / "sub"

    def act(self, capfd: pytest.CaptureFixture[str]) -> tuple[list[int], str]:
        """Give every command, and return the exit codes and all that was printed."""
        capfd.readouterr()
        top = self.fleet.top
        codes = [
            pull.main(cwd=top),
            roll_forward.main(push=True, cwd=top),
            branch.main("topic", everywhere=True, cwd=top),
            foreach.main(["git", "status", "--short"], keep_going=True, cwd=top),
        ]
        told = capfd.readouterr()
        return codes, told.out + told.err


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The scene that `scene` gives out again and again."""
    home = tmp_path_factory.mktemp("hostile") / "home"
    one = Fleet(home)
    one.remote("sub")
    one.remote("top", sub="sub")
    one.clone()
    one.push("sub")
    one.pin("top", sub="sub")
    one.push("sub")
    trap = home / "trap"
    trap.write_text(f"#!/bin/sh\n: > '{home}/PWNED'\n")
    trap.chmod(0o755)
    shutil.copytree(home, home.with_name("kept"), symlinks=True)
    return Scene(one, trap, home / "PWNED")


@pytest.fixture
def scene(kept: Scene, user: Path) -> Scene:
    shutil.rmtree(kept.fleet.home)
    shutil.copytree(kept.fleet.home.with_name("kept"), kept.fleet.home, symlinks=True)
    return kept


def test_without_a_trick_all_of_it_is_done(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    codes, told = scene.act(capfd)
    assert codes == [OK] * 4 and "note:" not in told
    assert {line[:9].strip() for line in told.splitlines()} >= {"forward", "check out", "commit", "push", "branch"}


SWITCH = ("switch", "--quiet", "--create", "x")
COMMIT = ("commit", "--quiet", "--allow-empty", "--message", "x")
MERGE = ("merge", "--quiet", "--ff-only", "HEAD")
FETCH = ("fetch", "--quiet")
EXT = ("protocol.ext.allow", "always")
# Settings, the one of them that is named, and the plain git command that shows that the trick is one.
TRICKS: list[tuple[Sequence[tuple[str, str]], Sequence[str]]] = [
    ([("core.fsmonitor", "TRAP")], ("status",)),
    ([("core.hooksPath", "HOOKS")], SWITCH),
    ([("filter.x.smudge", "TRAP"), ("filter.x.clean", "TRAP"), ("filter.x.required", "true")], ("status",)),
    ([("filter.x.process", "TRAP"), ("filter.x.required", "true")], ("status",)),
    ([("core.sshCommand", "TRAP"), ("remote.origin.url", "ssh://host.invalid/x")], FETCH),
    ([("remote.origin.uploadpack", "TRAP")], FETCH),
    ([("remote.origin.receivepack", "TRAP")], ("push", "--quiet", "origin", "HEAD:refs/heads/y")),
    ([("url.ext::TRAP .insteadOf", "/"), EXT], FETCH),
    ([("url.ext::TRAP .pushInsteadOf", "/"), EXT], ("push", "--quiet", "origin", "HEAD:refs/heads/y")),
    ([("remote.origin.vcs", "ext"), ("remote.origin.url", "TRAP"), EXT], FETCH),
    ([("gpg.program", "TRAP"), ("commit.gpgSign", "true"), ("merge.verifySignatures", "true")], COMMIT),
    ([("core.editor", "TRAP")], ("commit", "--quiet", "--allow-empty")),
    ([("alias.st", "!TRAP")], ("st",)),
    ([("diff.external", "TRAP")], ("diff", "--ext-diff")),
]


def plant(scene: Scene, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Put the settings into both checkouts, and return the keys of those that name a program."""
    hooks = scene.fleet.home / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-merge", "pre-push", "reference-transaction", "post-index-change", "pre-commit"):
        (hooks / name).symlink_to(scene.trap)
    for root, kept in zip(scene.roots, scene.git_dirs, strict=True):
        for key, value in pairs:
            git(
                root,
                "config",
                key.replace("TRAP", str(scene.trap)),
                value.replace("TRAP", str(scene.trap)).replace("HOOKS", str(hooks)),
            )
        if pairs[0][0].startswith("filter."):
            (kept / "info").mkdir(exist_ok=True)
            (kept / "info" / "attributes").write_text("* filter=x\n")
            os.utime(root / "file.txt", (1, 1))
    scene.mark.unlink(missing_ok=True)
    named = [key for key, value in pairs if "TRAP" in key + value or value == "HOOKS"]
    return [_as_git_prints(key.replace("TRAP", str(scene.trap))) for key in named if not key.endswith(".url")]


def _as_git_prints(key: str) -> str:
    section, _, rest = key.partition(".")
    middle, dot, last = rest.rpartition(".")
    return f"{section}.{middle}{dot}{last.lower()}"


@pytest.mark.parametrize("pairs, bites", TRICKS, ids=lambda one: one[0] if isinstance(one[0], str) else one[0][0])
def test_nothing_of_a_checkouts_own_configuration_runs_and_it_is_named(
    scene: Scene, capfd: pytest.CaptureFixture[str], pairs: Sequence[tuple[str, str]], bites: Sequence[str]
) -> None:
    keys = plant(scene, pairs)
    _, told = scene.act(capfd)
    assert not scene.mark.exists()
    for path in (".", "sub"):
        notes = [line for line in told.splitlines() if f"note: {path}: not run or used, as a checkout's own: " in line]
        assert notes and all(key in notes[0] for key in keys), told
    # The same trick works on plain git, so the test can fail.
    if bites[0] == "diff":
        (scene.roots[1] / "file.txt").write_text("changed\n")
    # A look of ours may have let git note that the file is as it was.
    os.utime(scene.roots[1] / "file.txt", (2, 2))
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-c", "protocol.file.allow=always", *bites]
    subprocess.run(
        command, cwd=scene.roots[1], env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=20
    )
    assert scene.mark.exists(), "the trick is none"


def test_hooks_do_not_run_and_are_named(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    names = ["post-checkout", "post-merge", "pre-push", "reference-transaction"]
    for kept in scene.git_dirs:
        (kept / "hooks").mkdir(exist_ok=True)
        for name in names:
            (kept / "hooks" / name).symlink_to(scene.trap)
        (kept / "hooks" / "pre-commit.sample").symlink_to(scene.trap)
    codes, told = scene.act(capfd)
    assert codes == [OK] * 4 and not scene.mark.exists()
    assert f"note: sub: not run or used, as a checkout's own: hook {', hook '.join(names)}\n" in told
    git(scene.roots[1], *SWITCH)
    assert scene.mark.exists(), "the trick is none"


def test_a_commands_own_git_runs_no_alias_no_editor_and_no_signer(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    plant(scene, [("alias.st", "!TRAP"), ("core.editor", "TRAP"), ("gpg.program", "TRAP"), ("commit.gpgSign", "true")])
    top = scene.fleet.top
    for words in (["st"], ["commit", "--allow-empty"], list(COMMIT)):
        assert foreach.main(["git", *words], keep_going=True, cwd=top) != OK
    assert not scene.mark.exists()


def test_what_the_user_himself_has_set_is_used_where_a_checkout_sets_it_too(
    scene: Scene, user: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (user / "gitconfig").open("a") as file:
        file.write("[alias]\n\tst = status --short\n[credential]\n\thelper = cache\n")
    plant(scene, [("alias.st", "!TRAP"), ("credential.helper", "!TRAP")])
    assert foreach.main(["git", "st"], cwd=scene.fleet.top) == OK
    capfd.readouterr()
    foreach.main(["git", "config", "--get-all", "credential.helper"], cwd=scene.fleet.top)
    lines = capfd.readouterr().out.splitlines()
    # An empty one ends the list of those before it.
    assert lines[-4:] == ["cache", f"!{scene.trap}", "", "cache"]


NAMED: list[tuple[str, str, str]] = [
    ("url", "ext::sh -c TRAP", "the URL names a program (ext::)"),
    ("url", "-u./p", "the URL begins with '-'"),
    ("url", "--upload-pack=TRAP", "the URL begins with '-'"),
    ("url", "ssh://-oProxyCommand=TRAP/x", "the URL has no host, or a part that begins with '-'"),
    ("update", "!TRAP", "update = !TRAP is a command, and is never run"),
    ("branch", "--upload-pack=TRAP", "branch '--upload-pack=TRAP' begins with '-'"),
    ("path", "../out", "the path leads out of the repo"),
    ("name", "../../evil", "the name leads out of the repo"),
    ("name", "-x", "the name begins with '-'"),
]


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("key, value, wanted", NAMED)
def test_what_gitmodules_may_not_say_is_named_and_not_done(
    scene: Scene, capfd: pytest.CaptureFixture[str], key: str, value: str, wanted: str, absent: bool
) -> None:
    top = scene.fleet.top
    if absent:
        git(top, "submodule", "deinit", "--quiet", "--force", "sub")
        shutil.rmtree(scene.git_dirs[1])
    git(top, "branch", "--quiet", "--unset-upstream")
    value, wanted = value.replace("TRAP", str(scene.trap)), wanted.replace("TRAP", str(scene.trap))
    if key == "name":
        git(top, "config", "--file", ".gitmodules", "--rename-section", "submodule.sub", f"submodule.{value}")
    else:
        git(top, "config", "--file", ".gitmodules", f"submodule.sub.{key}", value)
    before = sorted(scene.fleet.home.rglob("*")), scene.fleet.head(".")
    codes, told = scene.act(capfd)
    assert not scene.mark.exists()
    assert codes == [REFUSED] * 4 and told.count(f"refused: {wanted}") == 4, told
    assert git(top, "branch", "--show-current").strip() == "main"
    made = set(scene.fleet.home.rglob("*")) - set(before[0])
    # What was fetched for the super-repo itself.
    assert all(path.is_relative_to(top / ".git") and "modules" not in path.parts for path in made)
    assert scene.fleet.head(".") == before[1]


def test_a_submodule_whose_remote_is_a_program_is_left(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    git(scene.roots[1], "config", "remote.origin.url", f"ext::{scene.trap}")
    git(scene.roots[1], "config", *EXT)
    codes, told = scene.act(capfd)
    assert codes[:2] == [REFUSED, REFUSED] and told.count("left       sub  the URL names a program (ext::)\n") == 2
    assert not scene.mark.exists()


def test_a_refspec_that_would_write_to_branches_is_not_used(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    for root in scene.roots:
        git(root, "config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*")
        git(root, "branch", "mine")
    before = [git(root, "rev-parse", "mine") for root in scene.roots]
    assert scene.act(capfd)[0] == [OK] * 4
    assert [git(root, "rev-parse", "mine") for root in scene.roots] == before


def test_a_checkouts_own_rewriting_of_urls_does_not_lead_elsewhere(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    other = scene.fleet.home / "other"
    shutil.copytree(scene.fleet.remotes, other)
    for root in scene.roots:
        git(root, "config", f"url.{scene.fleet.home}/nowhere.insteadOf", str(scene.fleet.remotes))
        git(root, "config", f"url.{other}.pushInsteadOf", str(scene.fleet.remotes))
    before = git(other / "top.git", "rev-parse", "main")
    codes, told = scene.act(capfd)
    assert codes == [OK] * 4 and "push       .  " in told
    assert git(other / "top.git", "rev-parse", "main") == before
    assert git(scene.fleet.remotes / "top.git", "rev-parse", "main").strip() == scene.fleet.head(".")


def test_a_path_on_this_machine_is_not_cloned_unless_the_user_allows_it(
    scene: Scene, user: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(scene.fleet.top, "submodule", "deinit", "--quiet", "--force", "sub")
    git(scene.fleet.top, "config", "protocol.file.allow", "always")
    (user / "gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.invalid\n")
    code = pull.main(cwd=scene.fleet.top)
    assert code == REFUSED and capfd.readouterr().out.count("the URL is a path on this machine") == 2


def test_a_remote_that_asks_for_a_password_holds_nobody_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    own = scene.fleet.home / "own ssh"
    own.write_text(f"#!/bin/sh\necho \"$@\" > '{scene.fleet.home}/asked'\nread answer < /dev/tty\nexit 255\n")
    own.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"'{own}'")
    git(scene.fleet.top, "config", "remote.origin.url", "ssh://host.invalid/x")
    code = pull.main(cwd=scene.fleet.top)
    assert code == INFRASTRUCTURE and capfd.readouterr().out.startswith("no access  .  ")
    assert "BatchMode=yes" in (scene.fleet.home / "asked").read_text()


def test_a_lock_that_is_a_link_is_not_followed(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    from helpers.errors import InfrastructureError

    target = scene.fleet.home / "precious"
    target.write_text("x")
    (scene.git_dirs[0] / "helpers.lock").symlink_to(target)
    with pytest.raises(InfrastructureError, match="cannot lock it"):
        pull.main(cwd=scene.fleet.top)
    assert target.read_text() == "x"


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_is_written_through_a_link_that_stands_where_our_index_goes(
    scene: Scene, capfd: pytest.CaptureFixture[str], dry_run: bool
) -> None:
    target = scene.fleet.home / "precious"
    target.write_text("x")
    for kept in scene.git_dirs:
        (kept / "helpers.index").symlink_to(target)
        (kept / "helpers.index.lock").symlink_to(target)
    pull.main(cwd=scene.fleet.top)
    for root in scene.roots:
        git(root, "branch", "--force", "topic", "HEAD~1")
        git(root, "update-ref", "refs/remotes/origin/topic", "HEAD")
        git(root, "switch", "--quiet", "--detach", "HEAD~1")
        git(root, "branch", "--quiet", "--delete", "--force", "topic")
    # The branch of the remote is newer than what is checked out: the way to it is tried with an index of ours.
    branch.main("topic", everywhere=True, dry_run=dry_run, cwd=scene.fleet.top)
    assert "origin/topic, " in capfd.readouterr().out and target.read_text() == "x"
    if not dry_run:
        for root in scene.roots:
            git(root, "switch", "--quiet", "main")
        roll_forward.main(cwd=scene.fleet.top)
        assert "commit     .  " in capfd.readouterr().out and target.read_text() == "x"


def test_an_index_of_ours_that_is_a_directory_is_said(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    (scene.git_dirs[0] / "helpers.index").mkdir()
    roll_forward.main(cwd=scene.fleet.top)
    assert "helpers.index" in capfd.readouterr().out


def test_a_new_checkout_is_written_through_no_link(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    top = scene.fleet.top
    git(top, "submodule", "deinit", "--quiet", "--force", "sub")
    target = scene.fleet.home / "precious"
    target.write_text("x")
    (top / "sub" / ".git.helpers").symlink_to(target)
    pull.main(cwd=top)
    assert target.read_text() == "x"


def test_a_place_for_submodules_that_is_a_link_is_not_used(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    top, elsewhere = scene.fleet.top, scene.fleet.home / "elsewhere"
    git(top, "submodule", "deinit", "--quiet", "--force", "sub")
    shutil.rmtree(top / ".git" / "modules")
    elsewhere.mkdir()
    (top / ".git" / "modules").symlink_to(elsewhere)
    assert pull.main(cwd=top) == REFUSED and "modules is a link" in capfd.readouterr().out
    assert not list(elsewhere.iterdir())
