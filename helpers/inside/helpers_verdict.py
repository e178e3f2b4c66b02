"""The pytest plugin of a test run: selects tests by tier, and writes what really happened to files for the driver.

It is loaded by name, so that the workers of pytest-xdist have it as well; they select, and their controller counts.
PYTEST_DONT_REWRITE (https://docs.pytest.org/en/stable/how-to/assert.html): there is no assertion here to explain.
"""

import json
import os
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import pytest

# Holds the order as JSON: report (file descriptor for the verdict), results (directory for our other files), tier.
ORDER = "HELPERS_TEST_ORDER"
TIERS = ("fast", "slow", "superslow")
# The words about tests in pytest's last line; a test compares this list with helpers/driver/verdict.py.
OUTCOMES = ("passed", "xfailed", "xpassed", "failed", "error", "skipped", "rerun", "subtests passed")
RED = ("failed", "error")
# The property with the outcomes of a run in a case of the JUnit file, for helpers/driver/junit.py.
OUTCOMES_PROPERTY = "helpers-outcomes"
# So many failures are told of one by one, and so many tests are named as the slowest.
MOST_FAILURES = 100
SLOWEST = 10
# What is longer is cut in the middle. A section is what one test printed.
SECTION_CHARACTERS = 200_000
TEXT_CHARACTERS = 60_000
MESSAGE_CHARACTERS = 2_000
# The verdict leaves out the collected files if their paths are longer in total.
FILES_CHARACTERS = 2_000_000
# The key of the collected files in the data that a worker of pytest-xdist sends to its controller.
FILES = "helpers_files"
# Options by which a session of pytest runs no test, by the names that its configuration knows them by.
RUN_NO_TEST = {
    "collectonly": "--collect-only",
    "setupplan": "--setup-plan",  # makes pytest set the next one as well
    "setuponly": "--setup-only",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
    "cacheshow": "--cache-show",
}


def pytest_configure(config: Any) -> None:
    """Register the markers and what the driver ordered."""
    config.addinivalue_line("markers", "slow: takes seconds; run by --tier slow or all")
    config.addinivalue_line("markers", "superslow: takes minutes; run by --tier superslow or all")
    order = json.loads(os.environ[ORDER])
    config.pluginmanager.register(TierPlugin(order["tier"]), "helpers-tier")
    files = FilesPlugin()
    config.pluginmanager.register(files, "helpers-files")
    if not hasattr(config, "workerinput"):
        root = str(getattr(config, "rootpath", "") or config.rootdir)
        config.pluginmanager.register(VerdictPlugin(order["results"], order["report"], root, files), "helpers-verdict")
        config.pluginmanager.register(BoundPlugin(), "helpers-bound")


class TierPlugin:
    """Selects the tests of one tier.

    Arguments:
        tier: one of `TIERS`, or `all`.
    """

    def __init__(self, tier: str) -> None:
        self.tier = tier

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: List[Any]) -> None:
        if self.tier != "all":
            away = [item for item in items if self.tier_of(item) != self.tier]
            if away:
                items[:] = [item for item in items if self.tier_of(item) == self.tier]
                config.hook.pytest_deselected(items=away)

    @staticmethod
    def tier_of(item: Any) -> str:
        """Return the tier of a test: the slowest marker that it, its class or its module carries."""
        tier: str
        for tier in reversed(TIERS[1:]):
            if item.get_closest_marker(tier):
                return tier
        return TIERS[0]


class FilesPlugin:
    """Notes the Python files that pytest collects, also files without a selected test."""

    def __init__(self) -> None:
        self.cwd = os.path.realpath(os.getcwd())
        self.paths: Set[str] = set()
        # Relative to the working directory, without symlinks; None until pytest has collected everything.
        self.files: Optional[List[str]] = None

    def pytest_collectstart(self, collector: Any) -> None:
        self.add(collector)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: Any, items: List[Any]) -> None:
        # A hook of a conftest.py may collect items without a collector for their file.
        for item in items:
            self.add(item)
        files = {os.path.relpath(os.path.realpath(path), self.cwd) for path in self.paths}
        self.files = sorted(os.fsencode(file).decode("utf-8", "surrogateescape") for file in files)
        if sum(map(len, self.files)) > FILES_CHARACTERS:
            self.files = None
        if hasattr(config, "workeroutput"):
            config.workeroutput[FILES] = json.dumps(self.files)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # Every worker collects the same tests. A worker on another machine, or in a copy, has other paths.
        spec = node.gateway.spec
        text = getattr(node, "workeroutput", {}).get(FILES)
        if text and spec.popen and not spec.chdir:
            self.files = json.loads(text)

    def add(self, node: Any) -> None:
        """Note the file of a node; pytest before version 7 has `fspath` instead of `path`."""
        path = str(getattr(node, "path", None) or getattr(node, "fspath", ""))
        if path.endswith(".py"):
            self.paths.add(path)


class BoundPlugin:
    """Cuts what one test printed while its report goes round, when the JUnit file takes it; pytest prints it whole."""

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> Iterator[None]:
        whole, properties = report.sections, getattr(report, "user_properties", [])
        report.sections = [(title, cut(text, SECTION_CHARACTERS)) for title, text in whole]
        yield
        # `VerdictPlugin` adds a property.
        report.sections, report.user_properties = whole, properties


class VerdictPlugin:
    """Counts what was collected and what was reported, and writes both down.

    Arguments:
        results: directory that the files go to.
        report: file descriptor that the verdict goes to.
        root: what ids of tests are relative to.
        files: knows the collected files.
    """

    def __init__(self, results: str, report: int, root: str, files: FilesPlugin) -> None:
        self.results = results
        self.report = report
        self.root = root
        self.files = files
        # A test may go somewhere else.
        self.cwd = os.getcwd()
        # A test that forks may come back here in its child, which must not write a second verdict.
        self.process = os.getpid()
        self.config: Any = None
        self.collected = 0
        # An id may have several runs, and a run of a test may have several outcomes.
        self.reported = 0
        self.counts: Dict[str, int] = {}
        # The outcomes of the unfinished runs, by id and worker of pytest-xdist.
        self.running: Dict[Tuple[str, str], List[str]] = {}
        # The outcomes of the last run of each repeated test.
        self.last: Dict[str, List[str]] = {}
        self.failures: List[str] = []
        self.hints: List[str] = []
        self.collect_errors = 0
        self.seconds: Dict[str, float] = {}
        # The failures of tests that were run again, by their ids.
        self.attempts: Dict[str, List[Dict[str, Any]]] = {}
        self.told = 0
        self.progress = open(os.path.join(results, "progress"), "w", buffering=1)  # noqa: SIM115 open as long as pytest runs

    def pytest_sessionstart(self, session: Any) -> None:
        self.config = session.config

    def pytest_collection_finish(self, session: Any) -> None:
        if session.items or not self.collected:
            self.collected = len(session.items)
            self.note("collected %d" % self.collected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: List[str]) -> None:
        # The controller collects no tests. Every worker collects the same tests; by `each` every worker runs all tests.
        each = getattr(self.config.option, "dist", "") == "each"
        self.collected = len(ids) + (self.collected if each else 0)
        self.note("collected %d" % self.collected)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.collect_errors += 1
            self.fail(report, "%s: could not be imported" % report.nodeid)
        elif report.skipped:
            self.count("skipped")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + getattr(report, "duration", 0.0)
        run = (report.nodeid, str(getattr(report, "worker_id", "")))
        # The call may turn the report into a failure, for a test with failed parts.
        outcome = self.outcome(report)
        if outcome:
            self.count(outcome)
        if report.outcome not in ("passed", "failed", "skipped"):
            # `rerun`: pytest-rerunfailures runs the test again.
            self.describe_case(report, self.running.pop(run, []))
            self.attempts.setdefault(report.nodeid, []).append(describe(report, self.root, self.cwd))
            return
        outcomes = self.running.setdefault(run, [])
        if outcome:
            outcomes.append(outcome)
        if report.failed:
            self.fail(report, report.nodeid)
        if report.when == "teardown":
            self.describe_case(report, outcomes)
            self.end(run)

    @staticmethod
    def describe_case(report: Any, outcomes: List[str]) -> None:
        """Write the outcomes of a run to its case in the JUnit file, because a case may have several outcomes."""
        properties = getattr(report, "user_properties", [])
        report.user_properties = [*properties, (OUTCOMES_PROPERTY, line_of(outcomes))]

    def outcome(self, report: Any) -> str:
        """Return the word for a report in pytest's last line; empty for an uncounted report.

        A plugin may give it another word, or none; no failure is lost by that.
        """
        said = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        word = str(said[0]) if said else ""
        if report.failed and word not in RED:
            return "failed" if report.when == "call" else "error"
        if word in OUTCOMES:
            return word
        # pytest leaves out reports with a context: reports on a part of a test.
        if report.when != "call" or report.outcome not in OUTCOMES or (not word and hasattr(report, "context")):
            return ""
        if hasattr(report, "wasxfail"):
            return "xfailed" if report.skipped else "xpassed"
        return str(report.outcome)

    def count(self, outcome: str) -> None:
        """Count an outcome."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1

    def fail(self, report: Any, name: str) -> None:
        """Note a failure, and notify the driver."""
        if len(self.failures) < MOST_FAILURES and name not in self.failures:
            self.failures.append(name)
        self.hints.extend(hint for hint in hints(str(report.longrepr)) if hint not in self.hints)
        self.tell(report)

    def end(self, run: Tuple[str, str]) -> None:
        """Note the end of a run of a test."""
        outcomes = self.running.pop(run, [])
        # Some plugins report only set-up and teardown of a repeated run.
        self.reported += bool(outcomes)
        if run[0] in self.attempts:
            self.last[run[0]] = outcomes
        self.note(line_of(outcomes))

    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        if os.getpid() != self.process:
            return
        for run in list(self.running):
            self.end(run)
        verdict = {
            "exit": int(exitstatus),
            "collected": self.collected,
            "reported": self.reported,
            "collect_errors": self.collect_errors,
            "files": None if self.collect_errors else self.files.files,
            "counts": self.counts,
            "failures": self.failures,
            "flaky": self.flaky(),
            "slowest": sorted(self.seconds.items(), key=lambda item: -item[1])[:SLOWEST],
            "hints": self.hints,
            "runs_no_test": runs_no_test(session.config.option),
            **coverage(session.config.pluginmanager.getplugin("_cov")),
        }
        with open(self.report, "w") as file:
            json.dump(verdict, file)

    def flaky(self) -> List[Dict[str, Any]]:
        """Return the failures of tests that failed first and passed when they were run again."""
        last = {name: self.last.get(name, []) for name in self.attempts}
        passed = [name for name in last if "passed" in last[name] and not set(RED) & set(last[name])]
        return [failure for name in passed for failure in self.attempts[name]][:MOST_FAILURES]

    def tell(self, report: Any) -> None:
        """Tell the driver, which shows it while others still run, of one failure."""
        if self.told < MOST_FAILURES and os.getpid() == self.process:
            self.told += 1
            with open(os.path.join(self.results, "failures"), "a") as file:
                file.write(json.dumps(describe(report, self.root, self.cwd)) + "\n")

    def note(self, line: str) -> None:
        """Tell the driver, which shows progress, of one event."""
        if os.getpid() == self.process:
            self.progress.write(line + "\n")


def line_of(outcomes: List[str]) -> str:
    """Return outcomes as words of a line."""
    return " ".join(outcome.replace(" ", "_") for outcome in outcomes) or "none"


def runs_no_test(options: Any) -> str:
    """Return the option by which this session of pytest runs no test; empty for a session that does."""
    return next((option for name, option in RUN_NO_TEST.items() if getattr(options, name, None)), "")


def coverage(plugin: Any) -> Dict[str, Any]:
    """Return what pytest-cov, if it is there, wants of the share of lines that ran, and why it is not content."""
    wanted = getattr(getattr(plugin, "options", None), "cov_fail_under", None)
    total = getattr(plugin, "cov_total", None)
    if not wanted or total is None:
        return {}
    low = "" if total >= wanted else "coverage is %.2f %%, below fail_under = %g" % (total, wanted)
    return {"fail_under": wanted, "coverage_low": low}


def hints(failure: str) -> List[str]:
    """Return what may have caused a failure among the limits of a test's container, with the setting that lifts it."""
    found = []
    if "Read-only file system" in failure:
        found.append("the checkout is read-only in a test: write to tmp_path, or name the path in `writable`")
    if any(text in failure for text in ("Network is unreachable", "Temporary failure in name resolution")):
        found.append('a test has no network: set `network = "bridge"`')
    if "PermissionError" in failure and "Operation not permitted" in failure:
        found.append("all capabilities are dropped in a container")
    if "Resource temporarily unavailable" in failure or "can't start new thread" in failure:
        found.append("a container may have only so many processes: raise `pids`")
    if "MemoryError" in failure:
        found.append("a container may have only so much memory: raise `memory`")
    if "FileNotFoundError" in failure:
        found.append("a test sees only its own directory: name paths in `uses`, and programs in `system_packages`")
    return found


def cut(text: str, most: int) -> str:
    """Return `text` without its middle where it has more than `most` characters."""
    if len(text) <= most:
        return text
    return "%s\n... %d characters left out ...\n%s" % (text[: most // 4], len(text) - most, text[-(most - most // 4) :])


def describe(report: Any, root: str, cwd: str) -> Dict[str, Any]:
    """Return a failure as plain data: `id`, `file` (absolute; empty if unknown), `line`, `message`, `text`, `sections`.

    Arguments:
        report: of a test or of a file that could not be imported.
        root: what ids are relative to.
        cwd: where pytest was started.
    """
    text = str(getattr(report, "longreprtext", "") or "")
    if text.startswith(("def ", "async def ", "@")):
        # pytest takes away the blanks that the first line of the source has as the others have.
        text = "    " + text
    file, line = place(report, root, cwd)
    sections: List[Tuple[str, str]] = getattr(report, "sections", [])
    return {
        "id": report.nodeid,
        "file": file,
        "line": line,
        "message": cut(message(report, text), MESSAGE_CHARACTERS),
        "text": cut(text, TEXT_CHARACTERS),
        "sections": [[title, cut(printed, TEXT_CHARACTERS)] for title, printed in sections],
    }


def message(report: Any, text: str) -> str:
    """Return what was raised, as pytest words it; otherwise the last line of the failure."""
    crash = getattr(report.longrepr, "reprcrash", None)
    said = str(getattr(crash, "message", "") or "")
    return said or next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "failed")


def place(report: Any, root: str, cwd: str) -> Tuple[str, int]:
    """Return the file of a test, and the line in it that led to the failure: that of the test where nobody knows."""
    # A test that a class inherits stands in another file than its id says.
    location = getattr(report, "location", None) or (report.nodeid.split("::")[0], None, "")
    file = os.path.normpath(os.path.join(root, location[0] or ""))
    lines = [line for path, line in steps(report.longrepr) if os.path.normpath(os.path.join(cwd, path)) == file]
    # Lines of a location are counted from 0.
    line = lines[-1] if lines else (location[1] + 1 if isinstance(location[1], int) else 0)
    return (file if os.path.isfile(file) else "", line)


def steps(longrepr: Any) -> List[Tuple[str, int]]:
    """Return file and line of each step of a traceback, the innermost last; none where pytest was told to show none."""
    entries = getattr(getattr(longrepr, "reprtraceback", None), "reprentries", [])
    places = [getattr(entry, "reprfileloc", None) for entry in entries]
    return [(str(found.path), int(found.lineno)) for found in places if found]
