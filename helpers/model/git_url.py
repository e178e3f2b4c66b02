"""URLs of git repos: which ones are asked at all, which ones are the same repo, and what a relative one means."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

# https://git-scm.com/docs/git-clone#_git_urls; the other schemes run programs, or tell nobody who answers.
SCHEMES = {"https": "443", "ssh": "22"}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_SCP = re.compile(r"([^/:\[]+|[^/:]*\[[^\]]*\]):(.*)", re.DOTALL)
_HELPER = re.compile(r"([A-Za-z0-9+._-]*)::")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffd]|%0[0ad]", re.IGNORECASE)


@dataclass(frozen=True)
class _Parts:
    """A URL taken apart: `file` is the scheme of a path on this machine, `ssh` that of HOST:PATH."""

    scheme: str
    account: str
    host: str
    port: str
    path: str


def _parts(url: str) -> _Parts | None:
    if found := _URL.fullmatch(url):
        account, _, place = found[2].rpartition("@")
        host, colon, port = place.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = place, ""
        return _Parts(found[1].lower(), account, host.lower(), port, found[3])
    if url.startswith("/"):
        return _Parts("file", "", "", "", url)
    if found := _SCP.fullmatch(url):
        account, _, host = found[1].rpartition("@")
        return _Parts("ssh", account, host.lower(), "", found[2])
    return None


def is_relative(url: str) -> bool:
    """Say whether a submodule's URL is meant relative to the one of its super-repo."""
    return url.startswith(("./", "../")) or url in (".", "..")


def resolve(base: str, url: str) -> str:
    """Return a relative `url` as git resolves it against the URL of the super-repo's remote.

    The rule is in https://git-scm.com/docs/git-submodule (`add`). Unlike git we do not go above the server's root,
    where a part of the path would become the host.

    Raises:
        ValueError: it leads above that root.
    """
    parts = _parts(base)
    path = parts.path if parts else ""
    root = base[: len(base) - len(path)]
    names = path.strip("/").split("/") if path.strip("/") else []
    for step in url.rstrip("/").split("/"):
        if step == "..":
            if not names:
                raise ValueError("leads above the root of the super-repo's server")
            names.pop()
        elif step not in (".", ""):
            names.append(step)
    # Only after HOST: a path may begin without a slash.
    lead = "/" if path.startswith("/") or not root.endswith(":") else ""
    return root + lead + "/".join(names)


def refusal(url: str, local_allowed: Callable[[], bool]) -> str:
    """Return why git is never given this URL of a stranger; empty when it may be.

    Arguments:
        url: absolute.
        local_allowed: says whether a path on this machine may be asked; called only where it matters.
    """
    if not url:
        return "no URL"
    if url.startswith("-"):
        return "the URL begins with '-'"
    if _CONTROL.search(url):
        return "the URL holds a control character"
    if helper := _HELPER.match(url):
        return f"the URL names a program ({helper[1]}::)"
    parts = _parts(url)
    if parts is None:
        return "the URL is none that git documents"
    if parts.scheme == "file":
        return (
            "" if local_allowed() else "the URL is a path on this machine; git's protocol.file.allow=always allows it"
        )
    if parts.scheme not in SCHEMES:
        return f"the URL's scheme is {parts.scheme}, not https or ssh"
    if not parts.host or any(part.startswith("-") for part in (parts.account, parts.host, parts.path)):
        return "the URL has no host, or a part that begins with '-'"
    return "" if re.fullmatch(r"\d*", parts.port) else "the URL's port is no number"


def same(url: str) -> str:
    """Return what is equal for all URLs of one repo: host and path, whatever the scheme, the account and `.git`."""
    parts = _parts(url)
    if parts is None:
        return url
    path = posixpath.normpath("/" + parts.path.lstrip("/")).removesuffix(".git").rstrip("/")
    if parts.scheme == "file":
        return path
    port = "" if parts.port in ("", SCHEMES.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.host}{port}{path}"


def masked(text: str) -> str:
    """Return `text` without the accounts and passwords of the URLs in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
