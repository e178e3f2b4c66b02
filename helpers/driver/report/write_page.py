"""Fills the template of the page that shows a run.

Runs inside its own tool environment and imports nothing of ours.

usage: python write_page.py < DATA > FILE
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

_HERE = Path(__file__).parent
# What each verdict is shown in; all others are bad ones.
_TONES = {"PASS": "good", "SKIP": "calm", "EMPTY": "calm", "STOPPED": "calm"}


def main() -> int:
    """Print the page."""
    sys.stdout.buffer.write(page(json.load(sys.stdin)).encode("utf-8", "replace"))
    return 0


def page(data: dict[str, Any]) -> str:
    """Return the page; all that is not of the template is escaped."""
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        tone=lambda verdict: _TONES.get(verdict, "bad"),
        took=took,
        when=when,
        bars=bars,
        ticks=ticks,
        scale=scale,
        breakable=breakable,
    )
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    # Nothing but this style may have an effect: no script, no picture, no other page.
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return str(environment.get_template("page.html.jinja").render(style=style, allowed=allowed, **data))


def breakable(name: str) -> markupsafe.Markup:
    """Return a name that, where it is too long for a line, is folded between the parts of its path."""
    return markupsafe.escape(name).replace("/", markupsafe.Markup("/<wbr>"))


def took(seconds: float) -> str:
    """Return a span of time for a person."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def when(at: float) -> str:
    """Return a time, in seconds since 1970, for a person."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def scale(seconds: float, whole: float) -> float:
    """Return a time as a thousandth of the whole."""
    return round(1000 * seconds / whole, 1) if whole > 0 else 0.0


def ticks(whole: float) -> list[str]:
    """Return what stands below a timeline: its beginning, its middle and its end."""
    return ["0 s", took(whole / 2), took(whole)]


def bars(history: list[dict[str, Any]]) -> dict[str, str]:
    """Return the outlines of a bar for each run of a directory, as high as it took long, by tone; one path for many."""
    most = max((past["seconds"] for past in history), default=0) or 1
    found: dict[str, str] = {}
    for index, past in enumerate(history):
        height = round(4 + 16 * past["seconds"] / most)
        tone = _TONES.get(past["verdict"], "bad")
        found[tone] = found.get(tone, "") + f"M{index * 8} 20v-{height}h6v{height}z"
    return found


if __name__ == "__main__":
    sys.exit(main())
