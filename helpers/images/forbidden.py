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
# The line that RFC 7468 begins a private key with, in any of its kinds (MULTILINE), and what each one has in it.
PRIVATE_KEY = r"^-----BEGIN ([A-Z]+ )*PRIVATE KEY-----\s"
PRIVATE_KEY_MARKER = "PRIVATE KEY-----"
_PRIVATE_KEY = re.compile(PRIVATE_KEY.encode(), re.MULTILINE)


def why_forbidden(name: str, content: bytes = b"") -> str:
    """Return why a file may not be in an image; empty when it may.

    Arguments:
        name: its path in the image or the directory, with forward slashes.
        content: its content, as far as it is known.
    """
    if found := forbidden_part(name):
        return found[1]
    return "a private key" if _PRIVATE_KEY.search(content) else ""


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
