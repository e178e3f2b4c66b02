"""What must never be in a prod image, told by name and content."""

from __future__ import annotations

import re
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
