"""The path of helpers in the common files of a super-repo: templates have the usual path, each repo has its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from helpers.toolchain_path import NAME

_PATH = rf"(?:[A-Za-z0-9_.-]+/)*{NAME}"
# Where a common file states the path, and what stands there.
_SPOTS = {
    rf'(?<=for end in \()"[^"\n]*", "/{_PATH}"(?=\))': '"{above}", "/{path}"',
    rf"(?<=\.py: error: ){_PATH}(?=/ is empty; fix: )": "{path}",
    rf"(?<= submodule update --init ){_PATH}(?=\\n)": "{path}",
    rf"(?<=\\local place=){_PATH}(?= )": "{path}",
    rf"(?<=entry: python3 ){_PATH}(?=/thin_env/)": "{code}",
    rf'(?<=extend-exclude = \["){_PATH}(?="\])': "{path}",
}


@dataclass(frozen=True)
class StatedPath:
    """Where helpers lies in a super-repo.

    Arguments:
        path: of the submodule, relative to the root.
        code: of its package, relative to the root.
    """

    path: str = NAME
    code: str = NAME

    def put_into(self, text: bytes) -> bytes:
        """Return the text of a common file with this path in place of the path that the text states."""
        above = self.path.removesuffix(NAME).rstrip("/")
        values = {"path": self.path, "code": self.code, "above": above and f"/{above}"}
        for spot, value in _SPOTS.items():
            text = re.sub(spot.encode(), value.format(**values).encode(), text)
        return text
