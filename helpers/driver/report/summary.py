"""The summary of a step in GitHub Actions.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
What is written is Markdown in which nothing that a test or a repo named is more than text.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from helpers.console import printable, say
from helpers.driver.events import Observer, Ran
from helpers.driver.report.hints import hint_lines
from helpers.driver.report.table import counts_of_tests, how_many
from helpers.driver.report.words import is_bad, safe_text
from helpers.driver.verdict import Status, Verdict

# GitHub refuses a summary above 1 MiB.
_MOST_BYTES = 900_000
_OUTPUT_CHARACTERS = 8_000
_MARKS = {Status.PASS: "✅", Status.SKIP: "⏭️", Status.STOPPED: "⏹️", Status.EMPTY: "⚠️"}
# By a character's number nothing is markup: https://github.github.com/gfm/#entity-and-numeric-character-references
_MARKUP = {ord(char): f"&#{ord(char)};" for char in "\\`*_{}[]<>()#+-.!|~&@:\"'$=^/"}


class Summary(Observer):
    """Adds the result of a run to the summary of its step.

    Arguments:
        file: what `GITHUB_STEP_SUMMARY` names.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def end(self, ran: Ran) -> None:
        """Write it; a summary that can not be written fails no run."""
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(markdown(ran))
        except OSError as error:
            say(f"no step summary: {self._file}: {error.strerror}")


def markdown(ran: Ran) -> str:
    """Return the result of a run as Markdown."""
    text = "".join(f"{line}\n" for line in _head(ran))
    left_out = 0
    for verdict in ran.verdicts:
        part = "".join(f"{line}\n" for line in _details(verdict))
        if len(text.encode()) + len(part.encode()) < _MOST_BYTES:
            text += part
        else:
            left_out += 1
    return text + (f"\n{left_out} more are only in the log.\n" if left_out else "")


def _head(ran: Ran) -> Iterator[str]:
    bad = any(map(is_bad, ran.verdicts)) or ran.exit_code
    yield f"### {'❌' if bad else '✅'} {plain(how_many(ran.verdicts))}"
    yield ""
    if ran.interrupted:
        yield "**Interrupted: this report is partial.**\n"
    yield f"{plain(counts_of_tests(ran.verdicts))}; {ran.seconds:.1f} s"
    yield ""
    yield "| directory | verdict | passed | failed | skipped | flaky | time | why |"
    yield "| :-- | :-- | --: | --: | --: | --: | --: | :-- |"
    rows = sorted(ran.verdicts, key=lambda verdict: not is_bad(verdict))
    size = 0
    for number, verdict in enumerate(rows):
        row = _row(verdict)
        size += len(row.encode())
        if size > _MOST_BYTES // 2:
            yield ""
            yield f"and {len(rows) - number} more directories"
            break
        yield row
    yield ""
    yield from (f"{plain(line)}\n" for line in hint_lines(ran.verdicts))


def _row(verdict: Verdict) -> str:
    counts = (verdict.passed, verdict.failed, verdict.skipped, len(verdict.flaky_tests))
    cells = [
        plain(verdict.name),
        f"{_MARKS.get(verdict.status, '❌')} {verdict.status.value}",
        *(str(number) if number else "" for number in counts),
        "cached" if verdict.cached else f"{verdict.seconds:.1f} s",
        "" if verdict.cached else plain(verdict.why),
    ]
    return f"| {' | '.join(cells)} |"


def _details(verdict: Verdict) -> Iterator[str]:
    """Yield what did not pass, to be unfolded: each failure in a line, and the end of the output."""
    if verdict.flaky:
        yield f"Flaky in {plain(verdict.name)}: {', '.join(map(plain, verdict.flaky_tests))}\n"
    if not is_bad(verdict):
        return
    yield f"<details><summary>{html.escape(printable(verdict.name))}: {verdict.status.value}</summary>"
    yield ""
    for failed in verdict.details:
        place = f" ({plain(failed.file)}:{failed.line})" if failed.file else ""
        yield f"- {plain(failed.test)}{place}: {plain(failed.message.partition(chr(10))[0])}"
    yield ""
    yield from _block(verdict.output[-_OUTPUT_CHARACTERS:])
    yield from _block("\n".join(verdict.again))
    yield "</details>"
    yield ""


def _block(text: str) -> Sequence[str]:
    return (f"<pre>{html.escape(safe_text(text).strip())}</pre>", "") if text.strip() else ()


def plain(text: str) -> str:
    """Return text of which Markdown takes nothing for markup, a link or a mention."""
    return printable(text).translate(_MARKUP)
