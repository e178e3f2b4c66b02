"""What must never be in a prod image, told by name and content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

# Directories and files by name, wherever they lie.
_NAMES = {
    ".git": "history of the repo",
    ".hg": "history of the repo",
    ".svn": "history of the repo",
    ".ssh": "ssh keys",
    ".aws": "credentials",
    ".netrc": "credentials",
    ".pypirc": "credentials",
    ".npmrc": "credentials",
    ".git-credentials": "credentials",
    ".pytest_cache": "a cache",
    ".mypy_cache": "a cache",
    ".ruff_cache": "a cache",
}
_PATTERNS = (
    (re.compile(r"\.env(\..+)?"), "settings that are often secret"),
    (re.compile(r"id_(rsa|dsa|ecdsa|ed25519)"), "an ssh key"),
    (re.compile(r".+\.(kdbx|jks|keystore|p12|pfx)"), "a store of keys"),
)
# The line that a private key of any kind begins with by RFC 7468 or RFC 9580 (MULTILINE), and what each has in it.
_BEGIN = r"-----BEGIN ([A-Z]{1,20} ){0,4}PRIVATE KEY( BLOCK)?-----"
PRIVATE_KEY = rf"^{_BEGIN}\s"
PRIVATE_KEY_MARKER = "PRIVATE KEY"
# In code and data of one's own a key may also be indented, or lie in a string with its line breaks escaped: there it is
# told from a mere mention by the base64 text after it, behind such lines as `Version:` and `Proc-Type:`.
_BREAK = r"""(?:\\[nr]|[bBrR]{1,2}["']|[\s"'+,\\|>#*]){1,60}"""
PRIVATE_KEY_IN_CODE = (
    rf"{PRIVATE_KEY}|{_BEGIN}{_BREAK}(?:[A-Za-z-]{{3,20}}: [^\r\n\\]{{1,100}}{_BREAK}){{0,3}}[A-Za-z0-9+/]{{32}}"
)
_PRIVATE_KEY_IN_CODE = re.compile(PRIVATE_KEY_IN_CODE.encode(), re.MULTILINE)

# A variable holds a secret if its name has a word of this list and no word of the next list.
_SECRET_WORDS = re.compile(
    r"(^|_)(token|secret|password|passwd|passphrase|pwd|credentials?|(api|access|secret|private|signing|account)_?key)(_|$)"
)
_HARMLESS_WORDS = re.compile(
    r"_(file|path|dir|name|id|ids|url|uri|host|endpoint|type|class|backend|hashers?|algorithm|header|prefix|mode|policy"
    r"|provider|store|manager|version|count|limit|length|size|ttl|timeout|seconds|expiry|enabled|disabled|required)$"
)
_HARMLESS_VALUE = re.compile(r"|true|false|yes|no|on|off|none|null|\d{1,3}|[/.~].*|file:.*|<.*>|\*+|x+", re.IGNORECASE)
# Values that are secrets under any name.
_SECRET_VALUES = (
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an access key of AWS"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_\w{40}"), "a token of GitHub"),
    (re.compile(r"\bglpat-[\w-]{20}"), "a token of GitLab"),
    (re.compile(r"\bxox[abeprs]-[\w-]{10}"), "a token of Slack"),
    (re.compile(r"\b[rs]k_live_\w{16}|\bAIza[\w-]{35}|\bsk-[\w-]{32}"), "an API key"),
    (re.compile(r"\bpypi-[\w-]{50}|\bnpm_[A-Za-z0-9]{36}"), "a token of a package index"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "a signed token (JWT)"),
    (re.compile(_BEGIN), "a private key"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@$<{]*:[^\s/:@$<{*]+@"), "a URL with a password"),
)
# https://docs.docker.com/reference/dockerfile/; a line of a here-document has no instruction.
_INSTRUCTION = re.compile(
    r"(add|arg|cmd|copy|entrypoint|env|expose|from|healthcheck|label|maintainer|onbuild|run|shell|stopsignal|user|volume"
    r"|workdir)(?=\s)",
    re.IGNORECASE,
)
# `NAME=VALUE` in a line of a recipe or of a shell, the value with its quotes.
_ASSIGNMENT = re.compile(r"""(?<![^\s;&|(])"?([A-Za-z_][\w.-]*)"?=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s;&|'"]*)""")


def secrets_of(recipe: str) -> Iterator[tuple[int, str, str]]:
    """Yield the secrets in the text of a Dockerfile or in a line of an image's history; values are never named.

    Arguments:
        recipe: the text.

    Returns:
        Number of the line, instruction and variable (as in `ENV API_TOKEN`), and why it is a secret.
    """
    instruction, goes_on = "", False
    for number, line in enumerate(recipe.splitlines(), start=1):
        text = re.sub(r"^\s*/bin/sh -c #\(nop\)\s*", "", line).strip()
        if text.startswith("#"):
            continue
        if not goes_on and (begin := _INSTRUCTION.match(text)):
            instruction = begin[0].upper()
            text = text[begin.end() :].strip()
        if instruction == "ENV" and not goes_on and (old := re.match(r"(\w+)\s+([^=]*)$", text)):
            text = f"{old[1]}={old[2]}"  # the form without an equals sign
        goes_on = text.endswith("\\")
        named = [(found[1], found[2].strip("\"'")) for found in _ASSIGNMENT.finditer(text)]
        found = {f"{instruction} {name}": why for name, value in named if (why := why_secret(name, value))}
        if not found and (why := why_secret("", text)):
            found = {instruction: why}
        yield from ((number, what, why) for what, why in found.items())


def why_secret(name: str, value: str) -> str:
    """Return why the value of a variable or label is a secret; empty for a harmless value.

    Arguments:
        name: of the variable; empty if nobody knows it.
        value: its content.
    """
    for pattern, why in _SECRET_VALUES:
        if pattern.search(value):
            return why
    words = re.sub(r"[.-]", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).lower()
    if not _SECRET_WORDS.search(words) or _HARMLESS_WORDS.search(words):
        return ""
    return "" if re.search(r"[$`()\[\]{}]", value) or _HARMLESS_VALUE.fullmatch(value) else "a secret, by its name"


def why_forbidden(name: str, content: bytes = b"") -> str:
    """Return why a file of a directory's own may not be in an image; empty when it may.

    Arguments:
        name: its path in the image or the directory, with forward slashes.
        content: its content, as far as it is known.
    """
    if found := forbidden_part(name):
        return found[1]
    return "a private key" if _PRIVATE_KEY_IN_CODE.search(content) else ""


def forbidden_part(name: str) -> tuple[str, str] | None:
    """Return the beginning of a path up to the first part that may not be in an image, and why; None if all may."""
    parts = name.split("/")
    for count, part in enumerate(parts, start=1):
        if reason := _why_named(part):
            return "/".join(parts[:count]), f"{part}: {reason}"
    return None


@cache
def _why_named(part: str) -> str:
    if part in _NAMES:
        return _NAMES[part]
    return next((reason for pattern, reason in _PATTERNS if pattern.fullmatch(part)), "")
