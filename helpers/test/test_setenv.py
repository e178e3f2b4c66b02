"""`source dev_scripts/setenv.sh`, in a small checkout and without a network."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers.test.small_checkout import Checkout, make_checkout

# They make environments with the `python3` of this machine, as a user does before there is any container.
pytestmark = pytest.mark.host

SHELLS = ["bash", "zsh"]
READY = "helpers: invoke and main_pytest.py are ready in {root}\n"
# A shell in which nothing but its own words works: whoever starts a process fails.
NO_PROCESS = "PATH=/nonexistent; "


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose environment is made already."""
    checkout = make_checkout(tmp_path_factory.mktemp("warm"))
    done = source(checkout)
    assert (done.returncode, done.stdout) == (0, READY.format(root=checkout.root)), done.stderr
    return checkout


def source(
    checkout: Checkout, after: str = "", *, before: str = "", shell: str = "bash", path: object = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Source setenv.sh in a new shell without start-up files, between other commands."""
    file = shlex.quote(str(path or checkout.root / "dev_scripts" / "setenv.sh"))
    no_files = ["--norc", "--noprofile"] if shell == "bash" else ["-f"]
    return checkout.run(shell, *no_files, "-c", f"{before}\nsource {file}\n{after}", cwd=checkout.root.parent, **more)


def start(checkout: Checkout) -> subprocess.Popen[str]:
    """Start a shell that sources setenv.sh, as its own process group with the usual SIGINT."""
    return subprocess.Popen(
        ["bash", "-c", "source dev_scripts/setenv.sh"],
        cwd=checkout.root,
        env=checkout.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 no thread runs here
        start_new_session=True,
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_invoke_and_main_pytest_are_found_and_the_users_python_is_not_shadowed(warm: Checkout, shell: str) -> None:
    names = "python python3 pip invoke inv main_pytest.py"
    where = f"for name in {names}; do command -v $name || echo none; done"
    python, python3, pip, *ours = source(warm, where, shell=shell).stdout.splitlines()[1:]
    assert [Path(path).parent.name for path in ours] == ["path"] * 3
    assert [python, python3, pip] == [shutil.which(name) or "none" for name in ("python", "python3", "pip")]
    assert (
        f"stub ['--search-root', '{warm.root}', '--list']"
        in source(warm, f"cd {shlex.quote(str(warm.root))}; invoke --list", shell=shell).stdout
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_twice_in_a_row_leaves_one_entry_on_path(warm: Checkout, shell: str) -> None:
    again = f"source {shlex.quote(str(warm.root))}/dev_scripts/setenv.sh; printf '%s\\n' \"$PATH\""
    path = source(warm, again, shell=shell).stdout.splitlines()[-1]
    entry, rest = path.split(":", 1)
    assert entry.startswith(str(warm.cache)) and rest == warm.environ["PATH"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_warm_start_starts_no_process(warm: Checkout, shell: str) -> None:
    done = source(warm, before=NO_PROCESS, shell=shell)
    assert (done.returncode, done.stdout, done.stderr) == (0, READY.format(root=warm.root), "")


@pytest.mark.parametrize("path", ["dev_scripts/setenv.sh", "./dev_scripts/../dev_scripts//./setenv.sh"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_relative_path_is_understood(warm: Checkout, shell: str, path: str) -> None:
    before = f"cd {shlex.quote(warm.root.name)}; {NO_PROCESS}"
    assert source(warm, before=before, shell=shell, path=path).stdout == READY.format(root=warm.root)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_link_to_the_script_leads_to_its_checkout(warm: Checkout, shell: str, tmp_path: Path) -> None:
    link = tmp_path / "setenv.sh"
    link.symlink_to(warm.root / "dev_scripts" / "setenv.sh")
    assert source(warm, shell=shell, path=link).stdout == READY.format(root=warm.root)


@pytest.mark.parametrize("shell", SHELLS)
def test_strict_options_and_aliases_do_not_break_it(warm: Checkout, shell: str) -> None:
    names = ["cd", "python", "python3", "echo", "printf", "read", "local", "return", "unset", "source_", "emulate"]
    aliases = "; ".join(f"alias {name}='false broken'" for name in names)
    options = "shopt -s expand_aliases nocasematch; set -o noclobber"
    if shell == "zsh":
        options = "setopt aliases ksh_arrays sh_word_split no_clobber glob_subst no_equals err_return"
    done = source(warm, "command printf '%s\\n' alive", before=f"{options}; set -eu; IFS=/; {aliases}", shell=shell)
    assert (done.stdout, done.stderr) == (READY.format(root=warm.root) + "alive\n", "")


def test_nothing_else_of_the_users_bash_changes(warm: Checkout) -> None:
    unstable = "BASH_|FUNCNAME|RANDOM|SECONDS|EPOCH|SRANDOM|LINENO|PIPESTATUS|PATH=| _="
    look = f"{{ declare -p; set +o; shopt; declare -F; umask; pwd; trap; alias; }} | grep -vE '{unstable}'"
    prepare = "set -u; umask 027; trap 'echo bye' EXIT; alias ll=ls; file=mine; root=mine; env=mine"
    before, after = source(warm, f"echo ----; {look}", before=f"{prepare}\n{look}").stdout.split("----\n")
    lines = before.splitlines()
    assert 'declare -- root="mine"' in lines and READY.format(root=warm.root).strip() == lines.pop()
    changed = {line.partition("=")[0] for line in set(after.splitlines()) ^ set(lines)}
    assert changed == {"declare -f _helpers_complete", "declare -- _helpers_sourced", "bye"}


def test_nothing_else_of_the_users_zsh_changes(warm: Checkout) -> None:
    look = "setopt; typeset -p file root env; print -l ${(k)functions}; umask; pwd; alias"
    prepare = "setopt ksh_glob nounset; umask 027; file=mine; root=mine; env=mine"
    done = source(warm, f"print -- ----; {look}", before=f"{prepare}\n{look}", shell="zsh")
    before, after = done.stdout.split("----\n")
    assert "typeset root=mine" in before
    assert (set(before.splitlines()) ^ set(after.splitlines())) - {""} == {
        READY.format(root=warm.root).strip(),
        "_helpers_complete",
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_executed_instead_of_sourced_it_says_so_in_one_line(warm: Checkout, shell: str) -> None:
    done = warm.run(shell, "dev_scripts/setenv.sh")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "helpers: error: setenv.sh was executed; fix: source dev_scripts/setenv.sh\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_an_old_python_is_one_line_and_the_shell_lives_on(warm: Checkout, shell: str, tmp_path: Path) -> None:
    old = tmp_path / "old python"
    old.write_text("#!/bin/sh\nprintf 3.9.18\nexit 1\n")
    old.chmod(0o755)
    done = source(warm, 'echo "alive $?"', shell=shell, HELPERS_PYTHON=str(old))
    assert done.stdout == "alive 2\n"
    assert done.stderr.count("\n") == 1
    assert "old python' is Python 3.9.18, Python 3.10 or newer is needed; fix: HELPERS_PYTHON=" in done.stderr


def test_a_python_that_is_not_there_is_one_line(warm: Checkout) -> None:
    done = source(warm, HELPERS_PYTHON="no-such-python")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'no-such-python' does not run" in done.stderr


def test_a_submodule_that_is_not_there_names_the_git_command(tmp_path: Path) -> None:
    (tmp_path / "dev_scripts").mkdir()
    script = Path(shutil.copy(Path(__file__).parents[2] / "dev_scripts" / "setenv.sh", tmp_path / "dev_scripts"))
    done = source(Checkout(tmp_path, dict(os.environ)), path=script)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "submodule update --init helpers\n" in done.stderr


@pytest.mark.slow
def test_two_shells_at_once_make_one_environment(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    shells = [start(checkout), start(checkout)]
    ends = [shell.communicate(timeout=120) for shell in shells]
    assert [shell.returncode for shell in shells] == [0, 0], ends
    assert [out for out, _ in ends] == [READY.format(root=checkout.root)] * 2
    assert sum(err.count("making the thin environment") for _, err in ends) == 1
    assert (len(checkout.envs()), checkout.leftovers()) == (1, [])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_in_the_middle_it_works_the_next_time(tmp_path: Path, number: signal.Signals) -> None:
    checkout = make_checkout(tmp_path)
    shell = start(checkout)
    assert shell.stderr is not None and "making" in shell.stderr.readline()
    time.sleep(0.5)
    os.killpg(shell.pid, number)
    shell.communicate(timeout=60)
    assert shell.returncode != 0
    assert checkout.envs() == []
    done = source(checkout, f"cd {shlex.quote(str(checkout.root))}; invoke x")
    assert done.returncode == 0 and f"stub ['--search-root', '{checkout.root}', 'x']" in done.stdout, done.stderr
    assert checkout.leftovers() == []


@pytest.mark.slow
def test_new_requirements_replace_the_old_entry_on_path(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    file = checkout.root / "helpers" / "thin_env" / "requirements.txt"
    change = f"echo '# changed' >> {shlex.quote(str(file))}"
    done = source(checkout, f"{change}; source {shlex.quote(str(checkout.root))}/dev_scripts/setenv.sh; echo $PATH")
    assert len(checkout.envs()) == 2
    assert done.stdout.splitlines()[-1].count(str(checkout.cache)) == 1


@pytest.mark.slow
def test_a_very_long_path_only_costs_the_shortcut(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, "/".join(["d" * 90] * 3))
    for _ in range(2):
        done = source(checkout)
        assert (done.returncode, done.stdout) == (0, READY.format(root=checkout.root)), done.stderr


@pytest.mark.slow
def test_an_index_without_the_package_is_one_error_with_pips_last_lines(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    shutil.rmtree(tmp_path / "index")
    done = source(checkout, 'echo "alive $?"')
    assert done.stdout == "alive 6\n"
    assert "helpers: error: cannot install packages: exit code 1 of" in done.stderr
    assert "No matching distribution found for invoke==0.0.1" in done.stderr and "Traceback" not in done.stderr
    assert checkout.leftovers() == []
