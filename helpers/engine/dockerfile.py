"""Dockerfiles of a checkout. A Dockerfile can name a frontend: an image that BuildKit runs in place of its own parser.

BuildKit looks for the name in three forms, after a byte order mark and a `#!` line: `# syntax=IMAGE`, `// syntax=IMAGE`
and JSON (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/directives.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers import checkout_file
from helpers.console import excerpt
from helpers.errors import ConfigError

# BuildKit reads the first lines only. Every line counts here: which lines come first differs between its versions.
_SYNTAX = re.compile(r"^\ufeff?[^\S\n]*(?:#|//)[^\S\n]*syntax[^\S\n]*=([^\n]*)", re.MULTILINE | re.IGNORECASE)
_JSON = re.compile(r"\ufeff?(?:#![^\n]*\n)?\s*\{")
_OFFICIAL = re.compile(r"(?:docker\.io/)?docker/dockerfile(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_ARGUMENT = "BUILDKIT_SYNTAX"
_WHY = "a frontend is a program that runs the build; the one of Docker is allowed: docker/dockerfile"


def read(file: Path) -> str:
    """Return the text of a Dockerfile.

    Arguments:
        file: absolute path.

    Raises:
        ConfigError: it cannot be read, or names a frontend other than Docker's.
    """
    text = checkout_file.read_text(file)
    check(text, file)
    return text


def check(text: str, where: Path) -> None:
    """Return if a Dockerfile names no frontend, or the one of Docker.

    Arguments:
        text: the Dockerfile.
        where: the file, for the message.

    Raises:
        ConfigError: the text names another frontend.
    """
    if _JSON.match(text):
        raise ConfigError("is JSON, which only a frontend can read", where=where, why=_WHY, fix="write a Dockerfile")
    for found in _SYNTAX.finditer(text):
        # The rest of the value is the command line of the frontend.
        image = found[1].strip().partition(" ")[0]
        if not _OFFICIAL.fullmatch(image):
            line = text.count("\n", 0, found.start()) + 1
            fix = "write `# syntax=docker/dockerfile:1`, or remove the line"
            raise ConfigError(f"names the frontend {excerpt(image)}", where=f"{where}:{line}", why=_WHY, fix=fix)


def check_build(build: Mapping[str, Any], where: Path) -> None:
    """Return if the build of a service names no frontend, or the one of Docker.

    Arguments:
        build: as compose describes it: `context` is an absolute path, `args` a mapping.
        where: the compose file, for the message.

    Raises:
        ConfigError: an argument or the Dockerfile names a frontend, or the Dockerfile cannot be read.
    """
    if _ARGUMENT in (build.get("args") or {}):
        raise ConfigError(f"build: args: {_ARGUMENT} is not allowed", where=where, why=_WHY, fix="remove the argument")
    check(build.get("dockerfile_inline") or "", where)
    file = Path(build["context"]) / (build.get("dockerfile") or "Dockerfile")
    # BuildKit reads `dockerfile` where there is no `Dockerfile`.
    for path in {file, file.with_name(file.name.lower())}:
        if checkout_file.is_there(path):
            read(path)
