"""Says when the files of a lock were uploaded, as far as their package index tells."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from helpers import host
from helpers.errors import InfrastructureError, PolicyError
from helpers.model.poetry_lock import Pinned

# The JSON form of the simple API (PEP 691) has the times (PEP 700); some indexes have them in the HTML form only.
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SECONDS = 30.0
_TRIES = 3
_AT_A_TIME = 8
_NAMED = 10
_DAY = 86400.0
# Files that lie in the checkout: git knows their age.
_LOCAL = ("directory", "file")


def refuse_younger(packages: Sequence[Pinned], days: int, where: Path) -> None:
    """Return when every file of `packages` was uploaded at least `days` days ago.

    Arguments:
        packages: what a lock pins.
        days: how old each of its files must be.
        where: the lock.

    Raises:
        PolicyError: a file is younger, or nobody says how old it is: an unknown age is not an old one.
        InfrastructureError: an index does not answer.
    """
    asked = [package for package in packages if package.source not in _LOCAL]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        times = list(pool.map(_times, asked))
    now = time.time()
    wrong = [line for package, known in zip(asked, times, strict=True) for line in _wrong(package, known, now, days)]
    if wrong:
        more = [f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
        raise PolicyError(
            f"{len(wrong)} of its files are not known to be at least {days} days old",
            where=where,
            why="; ".join([*wrong[:_NAMED], *more]),
            fix="wait, or ask for an older version in pyproject.toml",
        )


def _wrong(package: Pinned, known: Mapping[str, float], now: float, days: int) -> Iterator[str]:
    if not package.files:
        yield f"{package.name} {package.version}: comes from {package.source or 'nowhere'}, not from an index"
    for file in package.files:
        if file not in known:
            yield f"{file}: the index does not say when it was uploaded"
        elif now - known[file] < days * _DAY:
            yield f"{file}: uploaded {(now - known[file]) / _DAY:.1f} days ago"


def _times(package: Pinned) -> dict[str, float]:
    """Return when the files of `package` were uploaded, by name, in seconds since 1970."""
    if package.source not in ("", "legacy"):
        return {}
    index = package.url or host.pip_index()
    kind, text = _page(f"{index.rstrip('/')}/{package.name}/", package.name)
    found = _from_json(text) if "json" in kind else _from_html(text)
    return {name: when for name, said in found.items() if (when := _seconds(said)) is not None}


def _page(url: str, name: str) -> tuple[str, str]:
    """Return content type and content of the index's page at `url`; nothing where it has none."""
    parts = urllib.parse.urlsplit(url)
    headers = {"Accept": _ACCEPT}
    if parts.username:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    why = ""
    for attempt in range(_TRIES):
        time.sleep(attempt)
        try:
            request = urllib.request.Request(bare, headers=headers)
            with urllib.request.urlopen(request, timeout=_SECONDS, context=_trust()) as response:
                return response.headers.get_content_type(), response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                return "", ""
            why = f"HTTP {error.code}"
            if error.code < 500:
                break
        except OSError as error:
            # The address stays out of the message: it may be a secret of the place where this runs.
            reason = getattr(error, "reason", error)
            why = getattr(reason, "strerror", None) or type(reason).__name__
    raise InfrastructureError(f"the package index does not say how old {name} is: {why}", fix="invoke doctor")


@cache
def _trust() -> ssl.SSLContext:
    ca = host.settings().ca
    return ssl.create_default_context(cafile=str(ca) if ca else None)


def _from_json(text: str) -> dict[str, str]:
    try:
        files = json.loads(text)["files"]
        return {str(file["filename"]): str(file.get("upload-time", "")) for file in files}
    except (ValueError, KeyError, TypeError):
        return {}


def _from_html(text: str) -> dict[str, str]:
    page = _Links()
    page.feed(text)
    return page.found


class _Links(HTMLParser):
    """Collects `data-upload-time` of the links of a page, by the name of the file that each one leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a link."""
        said = dict(attrs)
        if tag == "a":
            path = urllib.parse.urlsplit(said.get("href") or "").path
            self.found[urllib.parse.unquote(path.rpartition("/")[2])] = said.get("data-upload-time") or ""


def _seconds(said: str) -> float | None:
    try:
        # Always UTC, with or without a fraction of a second (https://peps.python.org/pep-0700/#specification).
        return datetime.strptime(said[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
