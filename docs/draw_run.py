#!/usr/bin/env python3
"""Run a command and draw its output as a picture of a terminal.

usage: python3 docs/draw_run.py PICTURE.svg COMMAND [ARGUMENT]...

The picture of README.md comes from this command in the root, on a machine with the images of the two directories:

    python3 docs/draw_run.py docs/run.svg ./main_pytest.py --engine docker --no-cache \
        --dir runnable_dirs/forecast --dir runnable_dirs/intake
"""

from __future__ import annotations

import html
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COLUMN, LINE, MARGIN = 7.83, 19, 18
COLOURS = {"PASS": "#7ee787", "FAIL": "#ff7b72", "SKIP": "#e3b341"}
STYLE = "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}"


def drawn(line: str) -> str:
    """Return a line of output as SVG text, with the verdicts in colour."""
    text = html.escape(line, quote=False)
    for verdict, colour in COLOURS.items():
        text = re.sub(rf"\b{verdict}\b", f'<tspan fill="{colour}" font-weight="bold">{verdict}</tspan>', text)
    return text


def picture(lines: Sequence[str]) -> str:
    """Return the SVG of a terminal with these lines."""
    size = round(max(map(len, lines)) * COLUMN + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    shape = 'width="{}" height="{}"'.format(*size)
    rows = [
        f'<text x="{MARGIN}" y="{MARGIN + (number + 1) * LINE - 6}">{drawn(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" {shape}>',
            f"<style>{STYLE}</style>",
            f'<rect {shape} rx="8" fill="#0d1117"/>',
            *rows,
            "</svg>\n",
        ]
    )


def main(target: str, *command: str) -> int:
    """Run the command, draw its output, and return its exit code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, end="")
    # The last words of a line are paths of this machine.
    shown = [re.sub(r"; logs in .*", "", line) for line in done.stdout.splitlines()]
    typed = f"$ {shlex.join(command)}".replace(" --dir", " \\\n    --dir").splitlines()
    Path(target).write_text(picture([*typed, *shown]))
    return done.returncode


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
