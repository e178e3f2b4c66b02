"""The command that a tool notes at the top of a lock."""

from __future__ import annotations

import re

# A tool notes its command at the top of the file. The text becomes a fix, and a hostile file must not choose an index
# or a program: the known options only, and fewer characters than a shell knows.
_TOOLS = r"uv pip compile|uv export|pip-compile|pdm export|poetry export|pip lock"
_COMMAND = re.compile(rf"^#[ \t]+((?:{_TOOLS})((?: [\w./=,-]+)*))$", re.MULTILINE)
_OPTIONS = frozenset(
    re.findall(
        r"\S+",
        """
        --generate-hashes --output-file -o --output --format --universal --quiet -q --upgrade --python-version
        --python-platform --extra --extras --all-extras --group --all-groups -G --no-group --only-group --dev --no-dev
        --only-dev --prod --with --without --only --no-header --no-annotate --annotation-style --strip-extras
        --no-strip-extras --allow-unsafe --no-emit-project --no-emit-workspace --no-emit-local --package
        --all-packages --frozen --locked --resolver --resolution --prerelease --constraint -c --override
        --exclude-newer --requirement -r --no-emit-index-url --no-default-groups --no-deps
        """,
    )
)


def of(head: str) -> str:
    """Return the command at the top of a lock; empty if there is none, or if it has other words than known options."""
    noted = _COMMAND.search(head)
    words = noted[2].split() if noted else []
    known = all(word.partition("=")[0] in _OPTIONS for word in words if word.startswith("-"))
    return noted[1] if noted and known else ""
