"""The data of package indexes: the files of a package, their upload times, and their yanked marks."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from html.parser import HTMLParser

from helpers import host
from helpers.errors import InfrastructureError
from helpers.model.poetry_lock import Pinned

# The JSON form of the simple API (PEP 691) has the times (PEP 700); some indexes have them in the HTML form only.
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_MANY_BYTES = 64 << 20
_LONG_REASON = 200


@dataclass(frozen=True)
class Patience:
    """How long an index is waited for.

    Arguments:
        tries: how often it is asked.
        seconds: how long each answer may take.
    """

    tries: int
    seconds: float


PATIENT = Patience(3, 30.0)
QUICK = Patience(1, 5.0)


@dataclass(frozen=True)
class Listed:
    """A file in the list of an index.

    Arguments:
        uploaded: when, in seconds since 1970; None if the index does not say.
        yanked: why its release was withdrawn, empty without a reason; None if it was not.
    """

    uploaded: float | None
    yanked: str | None


def files_of(package: Pinned, patience: Patience = PATIENT) -> dict[str, Listed]:
    """Return the files of `package` in its index, by name; empty for a package without an index.

    Raises:
        InfrastructureError: the index does not answer.
    """
    if package.source not in ("", "legacy"):
        return {}
    index = package.url or host.pip_index()
    kind, text = _page(f"{index.rstrip('/')}/{package.name}/", package.name, patience)
    return _from_json(text) if "json" in kind else _from_html(text)


def _page(url: str, name: str, patience: Patience) -> tuple[str, str]:
    """Return content type and content of the index's page at `url`; empty without a page."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "", ""  # no address
    if parts.scheme not in ("http", "https"):
        # A lock names the index of a project: a file of this machine is not an index.
        return "", ""
    login = ""
    if parts.username:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        login = f"Basic {base64.b64encode(pair.encode()).decode()}"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    why = ""
    for attempt in range(patience.tries):
        time.sleep(attempt)
        try:
            request = urllib.request.Request(bare, headers={"Accept": _ACCEPT})
            if login:
                # A redirect to a second server must not carry the login.
                request.add_unredirected_header("Authorization", login)
            with urllib.request.urlopen(request, timeout=patience.seconds, context=_trust()) as response:
                return response.headers.get_content_type(), response.read(_MANY_BYTES).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                return "", ""
            why = f"HTTP {error.code}"
            if error.code < 500:
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The address stays out of the message, because the address may be a secret.
            reason = getattr(error, "reason", error)
            why = getattr(reason, "strerror", None) or type(reason).__name__
    raise InfrastructureError(f"the package index does not say what it has of {name}: {why}", fix="invoke doctor")


@cache
def _trust() -> ssl.SSLContext:
    ca = host.settings().ca
    return ssl.create_default_context(cafile=str(ca) if ca else None)


def _from_json(text: str) -> dict[str, Listed]:
    try:
        files = json.loads(text)["files"]
        # `yanked` is a reason, or true without a reason (https://peps.python.org/pep-0691/#project-detail).
        return {
            str(file["filename"]): Listed(
                _seconds(str(file.get("upload-time", ""))), _reason(file.get("yanked")) if file.get("yanked") else None
            )
            for file in files
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _reason(said: object) -> str:
    return " ".join(said.split())[:_LONG_REASON] if isinstance(said, str) else ""


def _from_html(text: str) -> dict[str, Listed]:
    page = _Links()
    page.feed(text)
    return page.found


class _Links(HTMLParser):
    """Collects the attributes of the links of a page, by the name of the linked file."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Listed] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a link."""
        said = dict(attrs)
        if tag == "a":
            path = urllib.parse.urlsplit(said.get("href") or "").path
            # Without a value the attribute says so too (https://peps.python.org/pep-0592/#specification).
            yanked = _reason(said["data-yanked"] or "") if "data-yanked" in said else None
            uploaded = _seconds(said.get("data-upload-time") or "")
            self.found[urllib.parse.unquote(path.rpartition("/")[2])] = Listed(uploaded, yanked)


def _seconds(said: str) -> float | None:
    try:
        # Always UTC, with or without a fraction of a second (https://peps.python.org/pep-0700/#specification).
        return datetime.strptime(said[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
