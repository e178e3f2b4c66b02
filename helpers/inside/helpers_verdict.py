"""The pytest plugin of a test run: selects tests by tier, and writes what really happened to files for the driver.

It is loaded by name, so that the workers of pytest-xdist have it as well; they select, and their controller counts.
PYTEST_DONT_REWRITE (https://docs.pytest.org/en/stable/how-to/assert.html): there is no assertion here to explain.
"""

import json
import os
from typing import Any, Dict, Iterator, List, Tuple

import pytest

# Holds the order as JSON: results (directory for our files), nonce (proves that a verdict is of this run), tier.
ORDER = "HELPERS_TEST_ORDER"
TIERS = ("fast", "slow", "superslow")
# So many failures are told of one by one, and so many tests are named as the slowest.
MOST_FAILURES = 100
SLOWEST = 10
# What is longer is cut in the middle. A section is what one test printed.
SECTION_CHARACTERS = 200_000
TEXT_CHARACTERS = 60_000
MESSAGE_CHARACTERS = 2_000
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
    if not hasattr(config, "workerinput"):
        root = str(getattr(config, "rootpath", "") or config.rootdir)
        config.pluginmanager.register(VerdictPlugin(order["results"], order["nonce"], root), "helpers-verdict")
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


class BoundPlugin:
    """Cuts what one test printed while its report goes round, when the JUnit file takes it; pytest prints it whole."""

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> Iterator[None]:
        whole = report.sections
        report.sections = [(title, cut(text, SECTION_CHARACTERS)) for title, text in whole]
        yield
        report.sections = whole


class VerdictPlugin:
    """Counts what was collected and what was reported, and writes both down.

    Arguments:
        results: directory that the files go to.
        nonce: written into the verdict.
        root: what ids of tests are relative to.
    """

    def __init__(self, results: str, nonce: str, root: str = "") -> None:
        self.results = results
        self.nonce = nonce
        self.root = root
        # A test may go somewhere else.
        self.cwd = os.getcwd()
        # A test that forks may come back here in its child, which must not write a second verdict.
        self.process = os.getpid()
        self.collected = 0
        self.outcomes: Dict[str, str] = {}
        self.failures: List[str] = []
        self.hints: List[str] = []
        self.collect_errors: List[str] = []
        self.skipped_modules: List[str] = []
        self.seconds: Dict[str, float] = {}
        # The failures of tests that were run again, by their ids.
        self.attempts: Dict[str, List[Dict[str, Any]]] = {}
        self.told = 0
        self.progress = open(os.path.join(results, "progress"), "w", buffering=1)  # noqa: SIM115 open as long as pytest runs

    def pytest_collection_finish(self, session: Any) -> None:
        if session.items or not self.collected:
            self.collected = len(session.items)
            self.note("collected %d" % self.collected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: List[str]) -> None:
        # Every worker of pytest-xdist collects the same tests; the controller itself collects none.
        self.collected = len(ids)
        self.note("collected %d" % self.collected)

    def pytest_collectreport(self, report: Any) -> None:
        # Each worker of pytest-xdist reports the same.
        if report.failed and report.nodeid not in self.collect_errors:
            self.collect_errors.append(report.nodeid)
            self.failures.append("%s: could not be imported" % report.nodeid)
            self.tell(report)
        elif report.skipped and report.nodeid not in self.skipped_modules:
            self.skipped_modules.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + getattr(report, "duration", 0.0)
        if report.outcome not in ("passed", "failed", "skipped"):
            # `rerun`: pytest-rerunfailures runs the test again, and only its last run counts.
            if self.outcomes.pop(report.nodeid, "") in ("failed", "error"):
                self.failures.remove(report.nodeid)
            self.attempts.setdefault(report.nodeid, []).append(describe(report, self.root, self.cwd))
            return
        before = self.outcomes.get(report.nodeid)
        if report.failed:
            outcome = "failed" if report.when == "call" else "error"
            if before not in ("failed", "error"):
                self.failures.append(report.nodeid)
                self.hints.extend(hint for hint in hints(str(report.longrepr)) if hint not in self.hints)
                self.tell(report)
            self.outcomes[report.nodeid] = outcome if before != "failed" else before
        elif report.skipped:
            self.outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        elif report.when == "call":
            self.outcomes[report.nodeid] = "xpassed" if hasattr(report, "wasxfail") else "passed"
        if report.when == "teardown":
            self.note(self.outcomes.get(report.nodeid, "none"))

    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        if os.getpid() != self.process:
            return
        counts: Dict[str, int] = {}
        for outcome in self.outcomes.values():
            counts[outcome] = counts.get(outcome, 0) + 1
        if self.skipped_modules:
            counts["skipped"] = counts.get("skipped", 0) + len(self.skipped_modules)
        verdict = {
            "nonce": self.nonce,
            "exit": int(exitstatus),
            "collected": self.collected,
            "reported": len(self.outcomes),
            "collect_errors": len(self.collect_errors),
            "counts": counts,
            "failures": self.failures[:MOST_FAILURES],
            "flaky": self.flaky(),
            "slowest": sorted(self.seconds.items(), key=lambda item: -item[1])[:SLOWEST],
            "hints": self.hints,
            "runs_no_test": runs_no_test(session.config.option),
            **coverage(session.config.pluginmanager.getplugin("_cov")),
        }
        path = os.path.join(self.results, "verdict.json")
        with open(path + ".new", "w") as file:
            json.dump(verdict, file)
        os.replace(path + ".new", path)

    def flaky(self) -> List[Dict[str, Any]]:
        """Return the failures of tests that failed first and passed when they were run again."""
        passed = [name for name in self.attempts if self.outcomes.get(name) == "passed"]
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
