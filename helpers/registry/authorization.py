"""Answers a registry that asks who we are: Basic, or a token of https://distribution.github.io/distribution/spec/auth/"""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from helpers.errors import InfrastructureError
from helpers.registry.address import Address, is_loopback
from helpers.registry.answer_json import read_object, text_at
from helpers.registry.connection import Answer, absolute_url
from helpers.registry.credentials import Login, find_login
from helpers.registry.deadline import Deadline

# As in the Docker client: registries tell their users' tools apart by it.
_CLIENT_ID = "helpers"
# What a token is good for when its server does not say, and how long before its end it is not used any more.
_TOKEN_SECONDS = 60.0
_BEFORE_THE_END = 10.0

# Method, URL, headers, body, deadline: asks a token's server, with retries.
Ask = Callable[[str, str, dict[str, str], bytes | None, Deadline], Answer]


@dataclass(frozen=True)
class Challenge:
    """One way to log in that a server offers: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Return what headers `WWW-Authenticate` offer; one header may hold several."""
    found: list[Challenge] = []
    token = re.compile(r'\s*,?\s*(?:([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))|([\w-]+)(?=\s|,|$))')
    for header in headers:
        for match in token.finditer(header):
            name, quoted, plain, scheme = match.groups()
            if scheme:
                found.append(Challenge(scheme.lower(), {}))
            elif found:
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                found[-1].parameters[name.lower()] = value
    return found


class Authorization:
    """What we say to a registry of who we are; nothing before it asks.

    Arguments:
        address: the repository.
        ask: sends a request to a token's server.
    """

    def __init__(self, address: Address, ask: Ask) -> None:
        self._address = address
        self._ask = ask
        self._login: Login | None = None
        self._looked = False
        self._actions: set[str] = set()
        self._header = ""
        self._until = 0.0

    @property
    def header(self) -> str:
        """The value of the header `Authorization`; empty when there is none, or none that is still good."""
        return self._header if time.monotonic() < self._until else ""

    @property
    def login(self) -> Login | None:
        """The login that Docker keeps for this registry; read once, when it is first needed."""
        if not self._looked:
            self._login, self._looked = find_login(self._address.host), True
        return self._login

    def learn(self, headers: Iterable[str], deadline: Deadline) -> bool:
        """Make a header of what a server asks for with the status 401; False when that can not be done.

        Arguments:
            headers: its headers `WWW-Authenticate`.
            deadline: when a token's server must have answered.

        Raises:
            InfrastructureError: the token's server does not answer.
        """
        offered = {challenge.scheme: challenge.parameters for challenge in challenges(headers)}
        # A token whose time is over may be given again, word for word: only one that still counts was refused.
        before = self.header
        if "bearer" in offered:
            self._header, self._until = self._token(offered["bearer"], deadline)
        elif "basic" in offered and self.login:
            self._header, self._until = self.login.basic, float("inf")
        return bool(self._header) and self._header != before

    def _token(self, parameters: dict[str, str], deadline: Deadline) -> tuple[str, float]:
        realm = parameters.get("realm", "")
        url = urllib.parse.urlsplit(absolute_url(realm, ""))
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
            raise InfrastructureError(f"{self._address.host} wants passwords sent to a place without TLS")
        asked_at = time.monotonic()
        answer = self._ask(*self._question(realm, parameters), deadline)
        try:
            content = read_object(answer.body) if answer.status == 200 else {}
            token = text_at(content, "token") or text_at(content, "access_token")
            seconds = float(content.get("expires_in") or _TOKEN_SECONDS)
        except (ValueError, TypeError, OverflowError):
            token, seconds = "", 0.0
        if not re.fullmatch(r"[!-~]*", token):
            token = ""  # no value of a header
        return (f"Bearer {token}" if token else ""), asked_at + max(1.0, seconds - _BEFORE_THE_END)

    def _question(self, realm: str, parameters: dict[str, str]) -> tuple[str, str, dict[str, str], bytes | None]:
        query = {"service": parameters.get("service", ""), "scope": self._scope(parameters.get("scope", ""))}
        login = self.login
        if login and login.identity_token:
            form = {**query, "grant_type": "refresh_token", "refresh_token": login.identity_token}
            body = urllib.parse.urlencode({**form, "client_id": _CLIENT_ID}).encode()
            return "POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, body
        url = f"{realm}{'&' if '?' in realm else '?'}{urllib.parse.urlencode(query)}"
        return "GET", url, {"Authorization": login.basic} if login else {}, None

    def _scope(self, asked: str) -> str:
        """Return the rights to ask for: those that the server named so far, so that a reader needs none to write."""
        mine = f"repository:{self._address.name}:"
        if asked and not asked.startswith(mine):
            return asked
        self._actions |= set(asked.removeprefix(mine).split(",")) if asked else {"pull", "push"}
        return mine + ",".join(sorted(self._actions))
