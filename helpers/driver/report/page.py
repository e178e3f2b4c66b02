"""One page that shows a run, as data; what it looks like is said by a template, which a tool environment fills."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helpers import proc, repo
from helpers.driver import failures, history, measuring, result_file
from helpers.driver.events import Event, Observer, Ran, Work
from helpers.driver.report.coverage import percent
from helpers.driver.report.hints import grouped
from helpers.driver.report.timeline import Span, Timeline
from helpers.driver.report.words import is_bad, safe_text
from helpers.driver.verdict import Status, Verdict
from helpers.errors import EXIT_CODES, HelpersError, UsageError
from helpers.images.tool_environment import python_of

_WRITER = Path(__file__).with_name("write_page.py")
_SECONDS = 120.0
_CHARACTERS = 20_000
_MOST_FAILURES, _MOST_SLOWEST, _MOST_FILES = 100, 20, 500
# Only verdicts of the engine that isolates are kept.
KEPT_OF = "docker"
# A faster test is not worth a line.
_SLOW_SECONDS = 0.05


class Page(Observer):
    """Writes the page when a run has ended.

    Arguments:
        target: the file.
        root: absolute path of the repo.
        tier: which tests.

    Raises:
        UsageError: `-`, which is no file.
        InfrastructureError: the environment that it is made in could not be made.
    """

    def __init__(self, target: str, root: Path, tier: str) -> None:
        if target == "-":
            raise UsageError("--html - is no file", fix="name one")
        self._target = target
        self._root = root
        self._tier = tier
        self._timeline = Timeline()
        # Before the run and not after it: what is missing is told at once.
        python_of("report")

    def begin(self, work: Work) -> None:
        """Take the time."""
        self._timeline.begin(work)

    def event(self, event: Event) -> None:
        """Take the time."""
        self._timeline.event(event)

    def close(self) -> None:
        """Take the time."""
        self._timeline.close()

    def end(self, ran: Ran) -> None:
        """Write the page.

        Raises:
            UsageError: the file can not be written.
        """
        write(self._target, self.data(ran))

    def data(self, ran: Ran) -> dict[str, Any]:
        """Return all that the page shows."""
        shown = [_directory(item, ran, self._root, self._tier) for item in ran.verdicts]
        return {
            "title": self._root.name,
            "commit": commit(self._root),
            "tier": self._tier,
            "at": int(time.time() - ran.seconds),
            "seconds": ran.seconds,
            "engine": ran.engine,
            "exit_code": ran.exit_code,
            "interrupted": ran.interrupted,
            "jobs": self._timeline.jobs,
            "coverage": total(ran.verdicts),
            "directories": shown,
            "timelines": [self._spans(ran)] if ran.results else [],
        }

    def _spans(self, ran: Ran) -> dict[str, Any]:
        verdicts = {item.name: item.status.value for item in ran.verdicts}
        spans = [{**asdict(span), "verdict": _verdict_on(span, verdicts)} for span in self._timeline.spans()]
        return {"name": "", "at": 0.0, "seconds": self._timeline.seconds, "spans": spans}


def commit(root: Path) -> str:
    """Return the short id of the commit of a checkout, and whether files differ from it; empty without a commit."""
    try:
        name, _ = repo.commit(root)
        changed = repo.changes(root)
    except HelpersError:
        return ""
    return name[:12] + (" with uncommitted changes" if changed else "")


def _verdict_on(span: Span, verdicts: Mapping[str, str]) -> str:
    """Return the verdict that a step led to; empty for an image that was made, and for what is no directory's."""
    found = verdicts.get(span.name, "")
    return found if span.kind == "testing" or found == Status.BUILD.value else ""


def _directory(item: Verdict, ran: Ran, root: Path, tier: str) -> dict[str, Any]:
    known = measuring.measured(item.coverage)
    return {
        "name": item.name,
        "verdict": item.status.value,
        "bad": is_bad(item),
        "why": item.why,
        "hints": list(item.hints),
        "cached": item.cached,
        "passed": item.passed,
        "failed": item.failed,
        "skipped": item.skipped,
        "seconds": item.seconds,
        "image": item.image,
        "log": item.log,
        "again": list(item.again),
        "engine": KEPT_OF if item.cached else ran.engine,
        "failures": list(_failures(item, ran.results.get(item.name), root)),
        "flaky": sorted({one.test for one in item.flaky}),
        "slowest": [list(one) for one in item.slowest],
        "output": readable(item.output) if is_bad(item) else "",
        "coverage": percent(known) if known else "",
        "fail_under": known.fail_under if known else 0,
        "missed": [list(one) for one in measuring.missed(known)[:_MOST_FILES]] if known else [],
        "history": [asdict(past) for past in history.of(root, item.name, tier)],
    }


def _failures(item: Verdict, results: Path | None, root: Path) -> Iterator[dict[str, Any]]:
    """Yield the failures of a directory, with their texts where those are at hand."""
    told = list(failures.Follower(results, root).new()) if results else list(item.details)
    for one in (told or item.details)[:_MOST_FAILURES]:
        sections = [[title, readable(text)] for title, text in one.sections]
        yield {**one.as_data(), "text": readable(one.text), "sections": sections}


def readable(text: str) -> str:
    """Return the end of what a program printed, without colours and what else steers a terminal."""
    return safe_text(text)[-_CHARACTERS:].rstrip()


def total(verdicts: Sequence[Verdict]) -> str:
    """Return the share of lines that ran in all directories; empty where nothing was measured."""
    known = [found for item in verdicts if (found := measuring.measured(item.coverage))]
    return percent(measuring.joined(known)) if known else ""


def joined(pages: Sequence[tuple[str, Mapping[str, Any]]], exit_code: int, coverage: str) -> dict[str, Any]:
    """Return what the page of several shards shows.

    Arguments:
        pages: the name of each shard, and what its own page shows.
        exit_code: of all of them.
        coverage: the share of lines that ran in all of them.
    """
    first = min(page["at"] for _, page in pages)
    engines = sorted({str(page["engine"]) for _, page in pages if page["engine"]})
    commits = sorted({str(page["commit"]) for _, page in pages if page.get("commit")})
    found = dict(pages[0][1])
    found.update(
        at=first,
        seconds=max(page["at"] + page["seconds"] for _, page in pages) - first,
        engine=", ".join(engines),
        commit=", ".join(commits),
        exit_code=exit_code,
        coverage=coverage,
        interrupted=any(page["interrupted"] for _, page in pages),
        directories=sorted((item for _, page in pages for item in page["directories"]), key=lambda it: it["name"]),
        timelines=[
            {**line, "name": f"shard {name}", "at": page["at"] - first}
            for name, page in pages
            for line in page["timelines"]
        ],
    )
    return found


def write(target: str, data: Mapping[str, Any]) -> None:
    """Write the page.

    Arguments:
        target: the file.
        data: what it shows.

    Raises:
        UsageError: no file can be there.
        InfrastructureError: the disk is full or fails.
    """
    order = json.dumps({**data, "meaning": EXIT_CODES.get(data["exit_code"], ""), **_totals(data["directories"])})
    done = proc.run([str(python_of("report")), "-I", str(_WRITER)], stdin=order, timeout=_SECONDS)
    if done.code:
        raise HelpersError(f"the page was not made: {done.reason}", where=target)
    result_file.write(target, done.stdout)


def _totals(directories: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts that stand at the head of the page, and the slowest tests of all directories."""
    verdicts = [item["verdict"] for item in directories]
    slowest = [
        {"test": test, "seconds": seconds, **{key: item[key] for key in ("name", "engine", "cached")}}
        for item in directories
        for test, seconds in item["slowest"]
        if seconds >= _SLOW_SECONDS
    ]
    return {
        "counts": {status.value: verdicts.count(status.value) for status in Status if status.value in verdicts},
        "passed": sum(item["passed"] for item in directories),
        "failed": sum(item["failed"] for item in directories),
        "skipped": sum(item["skipped"] for item in directories),
        "cached": sum(item["cached"] for item in directories),
        "slowest": sorted(slowest, key=lambda one: -one["seconds"])[:_MOST_SLOWEST],
        "hints": grouped((item["name"], item["hints"]) for item in directories),
    }
