"""The fenced blocks of a Markdown page: commands, the output that they print, and settings.

A block without a language holds commands. In a block with lines that begin with `$ ` all other lines are output of the
command above them; `...` stands for any lines, `…` for any characters. A line that begins with `# ` is a comment.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import groupby

from helpers.test.conftest import ROOT

PAGES = ("docs/tutorial.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/how-to/*.md")))
# Lines that a run prints only if a step is slow, or if an environment or a base does not exist yet.
_SLOW = re.compile(r"^helpers: (still|making|to make:|assembling|archive:\S+ is ready|first run) .*\n", re.MULTILINE)
_FENCE = re.compile(r"^ *```(\w*)$")


@dataclass(frozen=True)
class Step:
    """A command and the output that its page shows; None if the page shows none."""

    command: str
    output: str | None = None


@dataclass(frozen=True)
class Block:
    """A fenced block without its indentation; `line` is that of its first fence."""

    page: str
    section: str
    language: str
    text: str
    line: int

    @property
    def first(self) -> str:
        """The first line, by which a table names the block."""
        return self.text.partition("\n")[0]

    def steps(self) -> list[Step]:
        """Return the commands of the block; a block in another language has none."""
        lines = self.text.splitlines() if self.language == "" else []
        if not any(line.startswith("$ ") for line in lines):
            commands = (re.sub(r"\s+# .*", "", line) for line in lines if not line.startswith("#"))
            return [Step(command) for command in commands if command.strip()]
        session = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [Step(command, output or None) for command, _, output in (part.partition("\n") for part in session)]


def read(page: str) -> list[Block]:
    """Return the blocks of a page, given by its path in the repo."""
    found: list[Block] = []
    section = language = ""
    inside: list[str] | None = None
    for number, line in enumerate((ROOT / page).read_text("utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside is None and (title := re.match(r"#+ (.+)", line)):
            section = title[1]
        if fence and inside is None:
            inside, language = [], fence[1]
        elif fence and inside is not None:
            text = textwrap.dedent("".join(f"{item}\n" for item in inside))
            found.append(Block(page, section, language, text, number - len(inside) - 1))
            inside = None
        elif inside is not None:
            inside.append(line)
    assert inside is None, f"{page}: a block does not end"
    return found


def sections(page: str) -> dict[str, list[Block]]:
    """Return the blocks of each section of a page; a section without a block is left out."""
    return {title: list(blocks) for title, blocks in groupby(read(page), lambda block: block.section)}


def _placeholders(text: str) -> str:
    """Replace times, sizes, dates, digests, versions and ports, and spaces in a row."""
    text = re.sub(r"\b[0-9a-f]{10,64}\b", "DIGEST", text)
    text = re.sub(r"\b\d{4}[-.]\d\d[-.]\d\d(\.\d+)?\b", "DATE", text)
    text = re.sub(r"\b\d+\.\d+\.\d+(\.\d+)?:\d+\b", "HOST", text)
    text = re.sub(r"\b\d[\d.,]*(?= (s|min|d|MB|packages|blob|layers)\b)|\b\d+\.\d+\.\d+\b", "N", text)
    return re.sub(r" +", " ", text)


def difference(expected: str, printed: str) -> str:
    """Return why `printed` is not the output that a page shows, or an empty text."""
    pattern = ""
    for line in _placeholders(_SLOW.sub("", expected)).splitlines():
        any_text = r".*".join(re.escape(part) for part in line.strip().split("…"))
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else rf" *{any_text} *\n"
    plain = _placeholders(_SLOW.sub("", printed)).strip("\n") + "\n"
    if re.fullmatch(pattern + r"\n*", plain if plain.strip() else ""):
        return ""
    return f"the page shows:\n{textwrap.indent(expected, '  ')}\nprinted is:\n{textwrap.indent(printed, '  ')}"
