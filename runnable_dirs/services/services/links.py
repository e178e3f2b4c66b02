"""The links: a code for each address, and who made it."""

from __future__ import annotations

import hashlib
import threading
import urllib.parse
from typing import Any

from web.server import Refused, Request, Routes
from web.tokens import Tokens


class Links:
    """Keeps links in memory; safe to use from several threads."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def add(self, address: str, user: str) -> str:
        """Return the code of `address`, the same for the same address.

        Raises:
            ValueError: it is no address of the web.
        """
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ValueError(f"{address!r} does not begin with http:// or https://")
        code = hashlib.sha256(address.encode()).hexdigest()[:8]
        with self._lock:
            self._links.setdefault(code, (address, user))
        return code

    def find(self, code: str) -> tuple[str, str] | None:
        """Return the address of `code`, and who made it first."""
        return self._links.get(code)


def routes(links: Links, tokens: Tokens) -> Routes:
    """Return who answers what: `POST /links` makes a link, `GET /links/CODE` tells where it leads."""

    def make(request: Request) -> tuple[int, Any]:
        user = tokens.user(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if not user:
            raise Refused(401, "the token is not good, or not good any more")
        try:
            return 201, {"code": links.add(str((request.body or {}).get("address", "")), user)}
        except (ValueError, AttributeError) as error:
            raise Refused(422, str(error)) from None

    def follow(request: Request) -> tuple[int, Any]:
        found = links.find(request.rest)
        if not found:
            raise Refused(404, f"there is no link {request.rest!r}")
        return 200, {"address": found[0], "user": found[1]}

    return {("POST", "links"): make, ("GET", "links"): follow}
