"""`docker_bash` and `docker_cmd` as a person uses them: at a terminal, as any user, from any kind of checkout."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from helpers.test.conftest import ROOT, Scratch, docker, docker_images, scratch_repo, thin_env, until

pytestmark = pytest.mark.engine

PASSES = "def test_it():\n    assert True\n"


def invoke() -> str:
    """Return the path of the program that a user's shell finds as `invoke`."""
    return str(thin_env() / "path" / "invoke")


def as_user(uid: int, cache: Path) -> tuple[list[str], dict[str, str]]:
    """Return what starts a command as `uid`, and its environment.

    The user may use the engine, and may read the interpreter that this test runs on although that lies in a home of
    another user; he may write nowhere but where any user may.
    """
    cache.mkdir(exist_ok=True)
    os.chown(cache, uid, uid)
    # A plain terminal: no escape sequences between the prompt and what a command prints.
    env = {**os.environ, "HELPERS_CACHE": str(cache), "TERM": "dumb"}
    if uid == os.getuid():
        return [], env
    group = os.stat("/var/run/docker.sock").st_gid
    capability = "+dac_read_search"
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={group}"]
    return [*drop, f"--inh-caps={capability}", f"--ambient-caps={capability}"], env


def shell(place: Path, uid: int, cache: Path, *arguments: str) -> pexpect.spawn:
    """Start `invoke docker_bash` in `place` at a terminal, and wait for its prompt."""
    prefix, env = as_user(uid, cache)
    argv = [*prefix, invoke(), "docker_bash", *arguments]
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(place), env=env, encoding="utf-8", timeout=60, dimensions=(40, 200)
    )
    child.expect(r"[$#] ")
    # Written in two parts so that the echo of this line is not taken for the prompt.
    child.sendline("stty -echo; PS1='rea''dy> '")
    child.expect("ready> ")
    return child


def ask(child: pexpect.spawn, command: str) -> str:
    """Return what a command prints in the shell."""
    child.sendline(command)
    child.expect("ready> ")
    return str(child.before).replace("\r\n", "\n").strip()


def places(scratch: Scratch) -> dict[str, Path]:
    """Make the kinds of checkout that a shell must work in; each path is inside a runnable dir."""
    scratch.add(".", PASSES, image="dot") if not (scratch.root / "devops").exists() else None
    scratch.add("tool", PASSES, image="tool")
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "all")
    tree = scratch.root.parent / "linked tree"
    scratch.git("worktree", "add", "--quiet", "-b", "linked", str(tree))
    above = scratch.root.parent / "above"
    above.mkdir()
    scratch.git("init", "--quiet", cwd=above)
    scratch.git("submodule", "--quiet", "add", str(scratch.root), "sub", cwd=above)
    spaced = scratch.root.parent / "with a space"
    scratch.git("clone", "--quiet", str(scratch.root), str(spaced), cwd=scratch.root.parent)
    return {
        "root": scratch.root,
        "runnable dir": scratch.root / "tool",
        "space": spaced / "tool",
        "worktree": tree / "tool",
        "submodule": above / "sub" / "tool",
    }


@pytest.mark.parametrize("uid", [0, 1000, 12345])
def test_a_shell_works_in_every_kind_of_checkout_and_makes_files_of_the_caller(open_path: Path, uid: int) -> None:
    if os.getuid() != 0:
        pytest.fail("only root can start a shell as another user: run the live tests as root")
    with scratch_repo(open_path / "repo") as scratch:
        _check_places(scratch, open_path, uid)


def _check_places(scratch: Scratch, open_path: Path, uid: int) -> None:
    found = places(scratch)
    assert scratch.invoke("docker_build", "--all").returncode == 0
    for path in open_path, *open_path.rglob("*"):
        os.chown(path, uid, uid, follow_symlinks=False)
    for name, place in found.items():
        child = shell(place, uid, open_path / "cache")
        assert ask(child, "id -u") == str(uid), name
        assert ask(child, "whoami") in (("root",) if uid == 0 else (f"user{uid}", _name_of(uid))), name
        assert ask(child, "pwd") == str(place), name
        assert ask(child, "git status --short --branch").startswith("## "), name
        assert ask(child, 'touch "$HOME/x" && echo yes') == "yes", name
        ask(child, "echo made > made-in-container")
        child.sendline("exit 7")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 7, name
        made = (place / "made-in-container").stat()
        assert (made.st_uid, made.st_gid) == (uid, uid), name


def test_ctrl_c_and_the_size_of_the_window_reach_the_shell(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="tool")
    assert scratch.invoke("docker_build", "--dir", "tool").returncode == 0
    child = shell(scratch.root / "tool", os.getuid(), scratch.root.parent / "cache")
    child.sendline("echo asleep; sleep 600")
    child.expect("asleep")
    until(lambda: "sleep 600" in docker("top", *scratch.containers()), 5)
    time.sleep(0.2)  # the shell gives the terminal to its child a moment after it has started it
    child.sendintr()
    child.expect("ready> ", timeout=5)
    assert ask(child, "stty size") == "40 200"
    child.setwinsize(33, 77)
    child.sendline("sleep 0.5")
    child.expect("ready> ")
    assert ask(child, "stty size") == "33 77"
    child.sendline("exit 0")
    child.expect(pexpect.EOF)


def test_a_shell_names_image_and_version_when_it_opens_and_in_its_prompt(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="tool")
    assert scratch.invoke("docker_build", "--dir", "tool").returncode == 0
    prefix, env = as_user(os.getuid(), scratch.root.parent / "cache")
    argv = [*prefix, invoke(), "docker_bash", "--dir", "tool"]
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(scratch.root), env=env, encoding="utf-8", timeout=60, dimensions=(40, 200)
    )
    child.expect(r"a shell in (\S*tool-\d+\.\d+\.\d+), image \S*tool:inputs-[0-9a-f]+; ")
    child.expect(re.escape(f"({child.match[1]}) {scratch.root / 'tool'}") + "[$#] ")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    assert "a shell in" not in scratch.invoke("docker_cmd", "--dir", "tool", "--", "true").stderr


def test_a_command_gives_its_output_and_exit_code_and_reads_standard_input(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="tool")
    argv = [invoke(), "docker_cmd", "--dir", "tool", "--"]
    run: Callable[..., subprocess.CompletedProcess[str]] = lambda *words, text="": subprocess.run(  # noqa: E731
        [*argv, *words], cwd=scratch.root, input=text, capture_output=True, encoding="utf-8", check=False
    )
    done = run("sh", "-c", "exit 42")
    assert (done.returncode, done.stdout) == (42, "")
    done = run("cat", text="through the pipe\n")
    assert (done.returncode, done.stdout) == (0, "through the pipe\n")
    assert run("no-such-program").returncode == 127


def test_nothing_in_a_command_is_run_by_a_shell(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="tool")
    line = "echo $(touch PWNED) ; `touch PWNED` && touch PWNED | x"
    for words in (["--", *line.split()], ["--cmd", line]):
        done = scratch.invoke("docker_cmd", "--dir", "tool", *words)
        assert done.returncode == 0
        assert done.stdout == "$(touch PWNED) ; `touch PWNED` && touch PWNED | x\n"
    assert not list(scratch.root.rglob("PWNED*"))
    assert scratch.invoke("docker_cmd", "--dir", "tool", "--cmd", "echo 'open").returncode == 2
    assert scratch.invoke("docker_cmd", "--dir", "tool", "--cmd", "").returncode == 2
    assert scratch.invoke("docker_cmd", "--dir", "tool").returncode == 2


@pytest.mark.parametrize("name", ["a b", "$(touch PWNED)", "-rf", "co:lon", "com,ma", "new\nline", 'quo"te', "Ünicode"])
def test_a_directory_of_any_name_is_tested_and_nothing_of_its_name_is_run(scratch: Scratch, name: str) -> None:
    scratch.add(name, PASSES, image="name")
    result = scratch.run("--engine", "docker", f"--dir={name}")
    assert result.of(name) == ("PASS", 0), result.stderr
    done = scratch.invoke("docker_cmd", "--", "pwd", cwd=scratch.root / name)
    assert done.stdout == f"{scratch.root / name}\n", done.stderr
    assert not list(scratch.root.rglob("PWNED*"))


def test_a_branch_of_any_name_is_only_a_name(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="tool")
    scratch.git("checkout", "--quiet", "-b", "$(touch${IFS}PWNED)")
    assert scratch.run("--engine", "docker").code == 0
    assert scratch.invoke("docker_cmd", "--dir", "tool", "--", "true").returncode == 0
    assert not list(scratch.root.rglob("PWNED*"))


def test_a_directory_outside_the_repo_is_refused(scratch: Scratch) -> None:
    scratch.add("tool", PASSES)
    (scratch.root / "way-out").symlink_to("/etc")
    for name in ("../../etc", "/etc", "way-out", "no-such-dir"):
        result = scratch.run("--dir", name)
        assert result.code == 2, name
        assert "Traceback" not in result.stderr
        assert scratch.invoke("docker_cmd", "--dir", name, "--", "true").returncode == 2, name


def test_jupyter_answers_on_the_address_that_it_prints() -> None:
    import urllib.error
    import urllib.request

    child = pexpect.spawn(
        invoke(), ["docker_jupyter"], cwd=str(ROOT / "runnable_dirs" / "forecast"), encoding="utf-8", timeout=90
    )
    child.expect(r"starting Jupyter on port (\d+) ")
    port = child.match[1]
    child.expect(rf"Jupyter is ready: http://127\.0\.0\.1:{port}/lab\?token=(\S+)")
    token = child.match[1]
    # Jupyter prints URLs of its own.
    assert set(re.findall(r"http://127\.0\.0\.1:(\d+)", child.before)) <= {port}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=20) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status", timeout=20)
    child.sendintr()
    child.expect("Shut down this Jupyter server")
    child.sendline("y")
    child.expect(pexpect.EOF)
    child.close()


def test_invoke_starts_without_the_modules_of_mock_and_tasks_can_have_them(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "import sys\nfrom invoke import task\nearly = 'asyncio' in sys.modules\n\n\n@task\ndef look(_):\n"
        "    from unittest.mock import Mock\n    print(early, Mock(return_value=1)())\n"
    )
    done = subprocess.run([invoke(), "look"], cwd=tmp_path, check=True, capture_output=True, encoding="utf-8")
    assert done.stdout == "False 1\n"


def test_kill_touches_only_what_carries_our_label(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="kill")
    image = scratch.run("--engine", "docker").verdicts["tool"]["image"]
    stranger = docker("create", image, "sleep", "1").strip()
    docker("create", "--label", "helpers.toolchain=run", "--label", f"helpers.root={scratch.root}", image, "true")
    try:
        assert len(scratch.containers()) == 1
        assert scratch.invoke("docker_kill").returncode == 0
        assert scratch.containers() == []
        assert docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={stranger}").strip() == stranger
    finally:
        docker("rm", "--force", stranger)


def test_prune_removes_only_images_that_are_old_by_their_mark_and_that_nobody_needs(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="prunable")
    image = scratch.run("--engine", "docker").verdicts["tool"]["image"]
    # A cache of the test's own: it must know of no image but this one.
    cache = scratch.root.parent / "cache"

    def prune(*options: str) -> str:
        done = scratch.invoke("docker_prune", *options, HELPERS_CACHE=str(cache))
        assert done.returncode == 0, done.stderr
        return done.stdout

    mine = [name for name in docker_images() if name.startswith(f"{scratch.prefix}-prunable:")]
    others = _our_images()
    changelog = scratch.root / "tool" / "changelog.txt"
    marks = cache / "used" / "images"
    marks.mkdir(parents=True)
    for name in mine:
        (marks / name.replace(":", "%")).touch()
        os.utime(marks / name.replace(":", "%"), (1, 1))
    assert prune() == "", "the checkout names it now"
    changelog.write_text(f"# {scratch.prefix}-prunable-0.2.0\n- 2026-11-20\n- second\n\n" + changelog.read_text())
    stranger = docker("create", image, "true").strip()
    assert prune() == "", "a container stands on it"
    docker("rm", "--force", stranger)
    aside = marks.rename(marks.with_name("aside"))
    assert prune() == "", "this cache knows nothing of it"
    aside.rename(marks)
    dry = prune("--dry-run")
    assert f"{scratch.prefix}-prunable:inputs-" in dry and f"{scratch.prefix}-prunable:local-" in dry
    assert len(mine) == 2 and set(mine) <= set(docker_images())
    assert prune() == dry
    assert set(mine).isdisjoint(docker_images()) and set(others) <= set(_our_images())


def _our_images() -> list[str]:
    # Tests that run at the same time remove their own.
    return [name for name in docker_images("--filter", "label=helpers.toolchain") if "helpers-test-" not in name]


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
