"""Runs pytest with our plugin, which writes what really happened to files that the driver reads.

usage: python run_pytest.py JSON

JSON holds: results and tier (for the plugin), arguments (pytest's). The verdict goes to the pipe of runner.py; without
that pipe a person debugs, and the exit code is all that is left.
It ends with 4, without a test run, in a container whose image is not the one that the code here needs.
"""

import gc
import importlib
import json
import os
import shlex
import sys
import tempfile
from typing import Any, Dict

# The verdict of a run in which pytest never began a session.
NO_SESSION = {
    "exit": 0,
    "collected": 0,
    "reported": 0,
    "collect_errors": 0,
    "counts": {},
    "failures": [],
    "hints": [],
    "runs_no_test": "",
}
# Our plugin, and where it finds its order.
PLUGIN = "helpers_verdict"
ORDER = "HELPERS_TEST_ORDER"
# Holds the number of the file descriptor for the verdict (runner.py).
REPORT = "HELPERS_REPORT"
# The tests that run now. The line must fit into one frame of the runner, and a character may take six bytes.
NOW = "now"
MOST_NAMED, MOST_CHARACTERS = 2, 300

# The caches of tools, by the variable of each tool: the tools would write these caches into the checkout, which
# is read-only. A directory's own `env` counts more.
CACHES = {
    "HYPOTHESIS_STORAGE_DIRECTORY": "hypothesis",  # hypothesis.configuration.storage_directory
    "MYPY_CACHE_DIR": "mypy-cache",  # https://mypy.readthedocs.io/en/stable/command_line.html#incremental-mode
    "RUFF_CACHE_DIR": "ruff-cache",  # https://docs.astral.sh/ruff/settings/#cache-dir
    "NUMBA_CACHE_DIR": "numba-cache",  # https://numba.readthedocs.io/en/stable/reference/envvars.html
}

# What the image of this container is, `<name>-<X.Y.Z>`; not set where no container of ours is around us.
IMAGE = "HELPERS_INSIDE"
REFUSED, NOTHING_RAN = 4, 5


class Watch:
    """A plugin that knows whether a session began, and whether a test ran; no option can take it away."""

    began = ran = False

    def pytest_sessionstart(self) -> None:
        self.began = True

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran = self.ran or (report.when == "call" and (not report.skipped or hasattr(report, "wasxfail")))


class Running:
    """A plugin that writes how many tests run now, and the ids of the first ones, as a line of JSON.

    A run that hangs or dies leaves no report. Bytes behind the line are left of longer lines.

    Arguments:
        results: directory of the file.
    """

    def __init__(self, results: str) -> None:
        self.file = os.open(os.path.join(results, NOW), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        # A test that forks may come back here in its child.
        self.process = os.getpid()
        self.ids: Dict[str, None] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.ids[nodeid] = None
        self.write()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.ids.pop(nodeid, None)
        self.write()

    def write(self) -> None:
        """Replace the line; by a single call, because the file is read at any time."""
        if os.getpid() == self.process:
            ids = [name[:MOST_CHARACTERS] for name in list(self.ids)[:MOST_NAMED]]
            os.pwrite(self.file, (json.dumps([len(self.ids), *ids]) + "\n").encode(), 0)


def import_pytest() -> None:
    """Import pytest with what it always loads, and our plugin; pytest must know of all others before they are imported.

    pytest looks for garbage when its session ends, and Python once more at its own end. All that is imported here
    stays, so it is not looked through again (https://docs.python.org/3/library/gc.html#gc.freeze): that is a third of
    the time of a small run.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module("pytest")
        for name in sys.modules["_pytest.config"].default_plugins:
            importlib.import_module("_pytest." + name)
        if sys.flags.optimize < 2:  # its docstring tells pytest that it may be imported before
            importlib.import_module(PLUGIN)
    except (ImportError, AttributeError, KeyError):
        pass  # then the run says what is missing
    if hasattr(gc, "freeze"):
        gc.freeze()
    if collects:
        gc.enable()


def disagreement(directory: str, image: str) -> str:
    """Return why the code in `directory` may not run in a container of `image`; empty when it may.

    The nearest changelog.txt at or above the directory says what the code is; where there is none, anything may run.

    Arguments:
        directory: absolute path.
        image: name and version, as in `forecast-1.2.0`; empty outside of containers.
    """
    while image and not os.path.isfile(os.path.join(directory, "changelog.txt")):
        if directory == os.path.dirname(directory):
            return ""
        directory = os.path.dirname(directory)
    if not image:
        return ""
    with open(os.path.join(directory, "changelog.txt"), encoding="utf-8", errors="replace") as file:
        heads = [line.strip().lstrip("#").strip() for line in file if line.strip().startswith("#")]
    code = heads[0] if heads else "(no version)"
    # The rule is that of helpers/model/version.py; a test holds the two together.
    needs = code.rpartition(".")[0]
    if needs and needs == image.rpartition(".")[0]:
        return ""
    return "code at %s needs an image %s.*, and this is a container of %s; fix: leave it, and on the host: %s" % (
        code,
        needs or code,
        image,
        "invoke docker_build --dir %s  (then start a new one)" % shlex.quote(directory),
    )


def main(order: Dict[str, Any]) -> int:
    """Run pytest as `order` says and return its exit code."""
    debugged = REPORT not in os.environ
    report = os.open(os.devnull, os.O_WRONLY) if debugged else int(os.environ.pop(REPORT))
    # Child processes of tests do not inherit the descriptor.
    os.set_inheritable(report, False)
    refused = disagreement(os.getcwd(), os.environ.get(IMAGE, ""))
    if refused:
        print("helpers: refused: %s" % refused, file=sys.stderr)
        write_verdict(report, {"exit": REFUSED, "refused": refused})
        return REFUSED
    if debugged and IMAGE in os.environ:
        # No shell in a container could continue a process after Ctrl-Z.
        import signal

        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    os.environ[ORDER] = json.dumps({"report": report, "results": order["results"], "tier": order["tier"]})
    # The checkout is read-only: who measures coverage, asked by us or by settings of the directory, does it there.
    os.environ["COVERAGE_FILE"] = os.path.join(order["results"], "coverage")
    for name, folder in CACHES.items():
        os.environ.setdefault(name, os.path.join(tempfile.gettempdir(), folder))
    # `python -m pytest` puts the current directory first. This directory, where the plugin is, goes last.
    sys.path.append(sys.path[0])
    sys.path[0] = os.getcwd()
    import_pytest()
    import pytest

    watch = Watch()
    code = int(pytest.main(["-p", PLUGIN, *order["arguments"]], plugins=[watch, Running(order["results"])]))
    if code == 0 and not watch.began:
        write_verdict(report, {"runs_no_test": "--help, --version or the like"})
    return NOTHING_RAN if code == 0 and debugged and not watch.ran else code


def write_verdict(report: int, verdict: Dict[str, Any]) -> None:
    """Tell the driver how a run ended in which pytest never began a session."""
    with open(report, "w") as file:
        json.dump({**NO_SESSION, **verdict}, file)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
