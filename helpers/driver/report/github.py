"""Shows a run in GitHub Actions: a group for each directory's output, and an annotation for each test that failed.

Workflow commands: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands.
The runner takes for one a line that begins with two colons, apart from blanks, and `##[` anywhere in a line.
A line of ours that is no command is written so that it is neither.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TextIO

from helpers.console import printable
from helpers.driver.failures import Failure
from helpers.driver.report.lines import Lines
from helpers.driver.report.words import commands, is_bad, output, safe_text, verdict_line
from helpers.driver.verdict import Verdict
from helpers.thin_env.streams import put_line

# A step shows ten annotations of a kind; more are of use only to who reads the log.
_MOST = 50


def inert(text: str) -> str:
    """Return lines of which none is a workflow command."""
    return re.sub(r"^(\s*):(?=:)", r"\1: ", text, flags=re.MULTILINE).replace("##[", "# #[")


def command(name: str, data: str = "", **properties: str) -> str:
    """Return a workflow command, escaped as GitHub's own toolkit does.

    Arguments:
        name: of the command.
        data: its text.
        properties: empty ones are left out.
    """
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if said else ''}{said}::{_data(data)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class GitHub(Lines):
    """Prints lines and workflow commands.

    Arguments:
        stream: where to; None is standard output, so that they keep their order with the table.
        verbose: whether what tests print is shown while they run, in no group.
        quiet: whether only what did not pass is shown.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False, quiet: bool = False) -> None:
        super().__init__(stream or sys.stdout, verbose=verbose)
        self._quiet = quiet

    def line(self, text: str) -> None:
        """Print lines of which none is a command."""
        put_line(inert(text), self.stream)

    def begun(self, doing: str) -> None:
        """Show that something has begun."""
        if not self._quiet:
            super().begun(doing)

    def done(self, verdict: Verdict) -> None:
        """Show what came out for one directory: a line, its output in a group, and its annotations."""
        if self._quiet and not is_bad(verdict):
            return
        said = verdict_line(verdict, self.stream)
        printed = () if self.streams else tuple(output(verdict))
        if not printed:
            self.line(said)
        else:
            put_line(command("group", inert(said)), self.stream)
            self.lines(*printed)
            put_line(command("endgroup"), self.stream)
        self.lines(*commands(verdict, verbose=bool(self.streams)))
        for one in notes(verdict):
            put_line(one, self.stream)


def notes(verdict: Verdict) -> Iterator[str]:
    """Yield a command for each failure of a directory, and for each test that passed only when it was run again."""
    if is_bad(verdict):
        for failed in verdict.details[:_MOST]:
            yield _annotation("error", verdict, failed, failed.message)
        if not verdict.details:
            title = f"{printable(verdict.name)}: {verdict.status.value}"
            yield command("error", safe_text(verdict.told), title=title)
    first = {failed.test: failed for failed in reversed(verdict.flaky)}
    for failed in list(reversed(first.values()))[:_MOST]:
        yield _annotation("warning", verdict, failed, f"flaky: it passed when it was run again\n{failed.message}")


def _annotation(kind: str, verdict: Verdict, failed: Failure, message: str) -> str:
    line = str(failed.line) if failed.file and failed.line else ""
    title = f"{printable(verdict.name)}: {printable(failed.test)}"
    return command(kind, safe_text(message), file=printable(failed.file), line=line, title=title)
