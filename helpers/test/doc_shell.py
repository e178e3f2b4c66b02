"""Runs the commands of a page in one bash, as its reader types them, and compares exit codes and output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.test import doc_blocks, doc_table
from helpers.test.doc_blocks import Block, Step
from helpers.test.fleet import environment
from helpers.thin_env import cache_path

_MARK = "@@ step"


@dataclass(frozen=True)
class DocShell:
    """The bash of one reader.

    Arguments:
        home: home of the user.
        place: where the commands run.
        begin: a command that runs first.
        typed: text of a command, and its replacement.
        shown: text of an output, and its replacement.
    """

    home: Path
    place: Path
    begin: str
    typed: dict[str, str]
    shown: dict[str, str]

    def faults(self, page: str, section: str = "", **env: str) -> list[str]:
        """Run the commands of a section, or of a whole page; return the wrong exit codes and outputs.

        Settings and code are files `$BLOCKS/NUMBER`, counted from 1.

        Arguments:
            page: path of the page in the repo.
            section: its title; empty for the whole page.
            env: more variables.
        """
        steps = self._steps([block for block in doc_blocks.read(page) if section in ("", block.section)])
        lines = ["exec 2>&1", self.begin]
        for number, step in enumerate(steps):
            command = _replaced(step.command, self.typed)
            # The next command may ask for the exit code of this one.
            lines += [command, f"code=$?; printf '\\n{_MARK} {number} %s\\n' $code; (exit $code)"]
        printed = subprocess.run(
            ["bash", "--norc", "-c", "\n".join(lines)],
            cwd=self.place,
            env={**os.environ, **self._environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=900,
        ).stdout
        asked = {number for number, step in enumerate(steps[1:]) if step.command == "echo $?"}
        return [
            fault
            for number, step in enumerate(steps)
            for fault in self._judged(page, number, step, printed, asked=number in asked)
        ]

    def _environment(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "BLOCKS": str(self._folder), "EDITOR": "true"}
        own |= {"HELPERS_CACHE": cache_path(), "HELPERS_PYTHON": sys.executable}
        own |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return {**environment(self.home), **own}

    @property
    def _folder(self) -> Path:
        return self.home / "blocks"

    def _steps(self, blocks: list[Block]) -> list[Step]:
        self._folder.mkdir(exist_ok=True)
        steps: list[Step] = []
        for number, block in enumerate(blocks, start=1):
            (self._folder / str(number)).write_text(block.text)
            name = doc_table.short(block.page)
            if prepare := doc_table.BEFORE.get((name, block.first)):
                steps.append(Step(f"set -e; {prepare}; set +e"))
            if (name, block.first) not in doc_table.BLOCKS_NOT_RUN:
                steps += [step for step in block.steps() if (name, step.command) not in doc_table.NOT_RUN]
        return steps

    def _judged(self, page: str, number: int, step: Step, printed: str, *, asked: bool) -> Iterator[str]:
        begin = printed.partition(f"\n{_MARK} {number - 1} ")[2].partition("\n")[2] if number else printed
        text, mark, rest = begin.partition(f"\n{_MARK} {number} ")
        code, text = rest.partition("\n")[0], _replaced(text, self.shown)
        expected = code if asked else str(doc_table.CODES.get((doc_table.short(page), step.command), 0))
        if not mark or code != expected:
            yield f"{page}: {step.command}: exit code {code}, not {expected}\n{text}"
        elif step.output is not None and (why := doc_blocks.difference(step.output, text)):
            yield f"{page}: {step.command}: {why}"


def _replaced(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text
