"""Commands with odd standard streams, and by an old Python: exit codes stay, and errors are in plain words."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from helpers.driver.events import Observer, Observers, Ran
from helpers.errors import InfrastructureError
from helpers.test.conftest import ROOT
from helpers.thin_env import streams

# A command that prints a name on both streams, starts a printing program, and ends with its own code.
COMMAND = """
import os, subprocess, sys
from helpers.thin_env.streams import make_safe
make_safe()
print("caf\\u00e9 \\udce9" * 1000)
sys.stdout.flush()
print("caf\\u00e9", file=sys.stderr)
assert subprocess.run([sys.executable, "-c", "print(1); import sys; print(2, file=sys.stderr)"]).returncode == 0
assert sys.stdin.read() == ""
assert sys.getfilesystemencoding() == "utf-8"
sys.exit(3)
"""


def shell(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which $0 is our Python and $1 is COMMAND."""
    return subprocess.run(
        ["bash", "-c", script, sys.executable, COMMAND],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
    )


@pytest.mark.parametrize(
    "streams",
    ["", ">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full", "> >(true)", "2> >(true)", ">&0 </dev/null"],
)
@pytest.mark.parametrize(
    "env",
    [{}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C"}],
    ids=lambda env: " ".join(env.values()) or "utf-8",
)
def test_exit_code_does_not_depend_on_standard_streams(streams: str, env: dict[str, str]) -> None:
    stdin = "" if "<" in streams else "</dev/null"
    done = shell(f'"$0" -c "$1" {stdin} {streams}', **env)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr


def test_file_names_are_utf8_under_every_locale() -> None:
    code = "from helpers.thin_env.streams import make_safe; make_safe(); import sys; print(ascii(sys.argv[1]))"
    done = shell(f"\"$0\" -c '{code}' café", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.stdout == "'caf\\xe9'\n", done.stderr


# Ends as the shim, after a passed run or a help text.
SHIM = "import sys; from helpers.thin_env import entry; entry._start = lambda *_: {}; sys.exit(entry.start('x', 'y'))"


@pytest.mark.parametrize("run", ["print(1) or 0", "print(1) or sys.exit(0)"])
def test_standard_output_on_a_full_disk_is_an_infrastructure_error(run: str) -> None:
    done = shell(f'"$0" -c "{SHIM.format(run)}" >/dev/full')
    assert (done.returncode, done.stderr) == (6, "helpers: infrastructure: standard output: No space left on device\n")


READ_BY_OLD_PYTHON = (
    "main_pytest.py",
    "tasks.py",
    "helpers/__init__.py",
    "helpers/thin_env/__init__.py",
    "helpers/thin_env/bootstrap.py",
)


@pytest.mark.parametrize("name", READ_BY_OLD_PYTHON)
def test_first_files_parse_in_python_3_6(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(), feature_version=(3, 6))
    future = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert future == [], "Python 3.6 does not know the feature `annotations`"


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (["helpers/thin_env/bootstrap.py", "init", "--name", "a b"], "bootstrap.py init --name 'a b'"),
        (["helpers/thin_env/bootstrap.py"], "thin_env/bootstrap.py"),
        (["main_pytest.py"], "main_pytest.py"),
        (["tasks.py"], "source dev_scripts/setenv.sh"),
    ],
)
def test_old_python_is_refused_in_one_line(argv: list[str], fix: str) -> None:
    code = "import runpy, sys; sys.version_info = (3, 9, 18); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    done = subprocess.run([sys.executable, "-c", code, *argv], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "3.10 or newer" in done.stderr
    assert done.stderr.endswith(f"{fix}\n")


class Full(Observer):
    """Cannot write its result."""

    def end(self, ran: Ran) -> None:
        raise InfrastructureError("cannot write: No space left on device")


class Last(Observer):
    """Prints a word."""

    def end(self, ran: Ran) -> None:
        streams.put_line("the table", sys.stdout)


def test_result_file_on_a_full_disk_hides_no_other_result(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InfrastructureError, match="No space left"):
        Observers([Full(), Last()]).end(Ran([]))
    assert capsys.readouterr().out == "the table\n"
