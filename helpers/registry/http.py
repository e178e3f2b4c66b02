"""Requests to one registry: logged in, tried again where that does no harm, and bounded in time."""

from __future__ import annotations

import random
import re
import time
import urllib.parse
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from helpers.engine.seam import Control
from helpers.errors import InfrastructureError
from helpers.model.number import whole
from helpers.registry.address import Address, hostname, is_loopback
from helpers.registry.answer_json import list_at, read_object
from helpers.registry.authorization import Authorization
from helpers.registry.connection import Answer, Body, Connections, Trouble, absolute_url
from helpers.registry.deadline import Deadline

# How long one question may take with all its tries, where nobody says otherwise.
CALL_SECONDS = 60.0
TRIES = 3
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0
_MOST_SECONDS = 24 * 3600
_REDIRECTS = 5
_GOES_ELSEWHERE = (301, 302, 303, 307, 308)


class LoginError(InfrastructureError):
    """The registry wants another login, or one that may do more."""


class RejectedError(InfrastructureError):
    """The registry is well and has answered no; the same question will get the same answer."""


class Http:
    """The way to one repository's API.

    Arguments:
        address: the repository.
        control: stops every request.
        seconds: how long one question may take with all its tries; None is CALL_SECONDS.
    """

    def __init__(self, address: Address, control: Control | None = None, seconds: float | None = None) -> None:
        self.address = address
        self._seconds = CALL_SECONDS if seconds is None else seconds
        self.control = control
        self._connections = Connections()
        self._authorization = Authorization(address, self._ask_token_server)
        self._clock_lead = 0.0

    def deadline(self, seconds: float | None = None) -> Deadline:
        """Return the deadline of a call that starts now; None is that of every question."""
        return Deadline(self._seconds if seconds is None else seconds, self.control)

    def now(self) -> float:
        """Return the time in seconds since 1970 by the clock of the registry, as its last answer told it."""
        return time.time() + self._clock_lead

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        body: Body = None,
        deadline: Deadline | None = None,
        tries: int = TRIES,
    ) -> Answer:
        """Send a request and return the answer, unless it says that the server failed or refuses us.

        Arguments:
            method: the HTTP method.
            target: a path below the repository (`tags/list`), or a URL that the registry gave.
            headers: headers besides those of the login.
            body: the body.
            deadline: when to give up; None is that of every question.
            tries: how often it may be sent: 1 where a second time could do harm.

        Raises:
            LoginError: no right to do this.
            InfrastructureError: no answer, or one that says that the server failed.
        """
        deadline = deadline or self.deadline()
        url = urllib.parse.urljoin(f"{self.address.url}/v2/{self.address.name}/", target)
        what = f"{method} {urllib.parse.urlsplit(url).path}"
        answer = self._try(lambda: self._follow(method, url, headers or {}, body, deadline), url, what, deadline, tries)
        if answer.status in (401, 403):
            raise self._refused(answer)
        return answer

    def _try(self, send: Callable[[], Answer], url: str, what: str, deadline: Deadline, tries: int) -> Answer:
        """Send until there is an answer of a server that is well."""
        for number in range(1, tries + 1):
            wait = _FIRST_WAIT_SECONDS * 2 ** (number - 1) * random.uniform(0.7, 1.3)
            try:
                answer = send()
            except Trouble as trouble:
                fault = str(trouble)
            else:
                if not _is_failure(answer.status):
                    return answer
                fault = f"answers {said(answer)}"
                wait = max(wait, _retry_after(answer))
            if number == tries or deadline.over:
                break
            deadline.sleep(min(wait, _LONGEST_WAIT_SECONDS))
            if deadline.over:
                break
        deadline.check()
        raise InfrastructureError(
            f"{urllib.parse.urlsplit(url).netloc} {fault}",
            where=self.address,
            why=f"{what}, tried {number} {'time' if number == 1 else 'times'}",
            fix="when the registry is well (is `registry` right?), run the command again: it goes on where it stopped",
        )

    def _follow(self, method: str, url: str, headers: dict[str, str], body: Body, deadline: Deadline) -> Answer:
        """Send, log in when the server asks for it, and go where a question is sent to."""
        for _ in range(_REDIRECTS):
            answer = self._send(method, url, headers, body, deadline)
            asked = answer.headers.get_all("WWW-Authenticate", []) if answer.status == 401 else []
            if asked and self._is_registry(url) and self._authorization.learn(asked, deadline):
                answer = self._send(method, url, headers, body, deadline)
            location = answer.headers.get("Location")
            if not (location and method in ("GET", "HEAD") and answer.status in _GOES_ELSEWHERE):
                return answer
            url = self.absolute(location, url)
        raise Trouble(f"redirects more than {_REDIRECTS} times")

    def _send(self, method: str, url: str, headers: dict[str, str], body: Body, deadline: Deadline) -> Answer:
        login = {"Authorization": self._authorization.header} if self._is_registry(url) else {}
        known = {name: value for name, value in login.items() if value}
        answer = self._connections.send(method, url, {**known, **headers}, body, deadline)
        if self._is_registry(url) and (date := answer.headers.get("Date")):
            try:
                self._clock_lead = parsedate_to_datetime(date).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):
                pass
        return answer

    def _is_registry(self, url: str) -> bool:
        """Say whether `url` is of the registry itself: no other server is told who we are."""
        return url.startswith(f"{self.address.url}/")

    def absolute(self, location: str, asked: str) -> str:
        """Return the URL that a header `Location` names, which may leave out what `asked` has.

        A registry behind a proxy that ends TLS may not know that it is spoken to with TLS: that is kept.
        """
        parts = urllib.parse.urlsplit(absolute_url(asked, location))
        if parts.scheme == "http" and not is_loopback(hostname(parts.netloc)):
            parts = parts._replace(scheme="https")
        return parts.geturl()

    def _ask_token_server(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, deadline: Deadline
    ) -> Answer:
        what = f"asking for a token for {self.address.host}"
        return self._try(
            lambda: self._connections.send(method, url, headers, body, deadline), url, what, deadline, TRIES
        )

    def _refused(self, answer: Answer) -> LoginError:
        known = self._authorization.login is not None
        what = "the login that Docker has is not taken" if known else "Docker has no login for it"
        if answer.status == 403:
            what = "no right to do this" + ("" if known else ", and Docker has no login for it")
        return LoginError(
            f"{self.address.host} refuses: {what} ({said(answer)})",
            where=self.address,
            fix=f"docker login {self.address.host}",
        )


def said(answer: Answer) -> str:
    """Return what a registry says went wrong: the status, and its own words if there are any.

    The format is https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    try:
        errors = list_at(read_object(answer.body), "errors", dict)
        words = "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
    except ValueError:
        words = ""
    plain = re.sub(r"[^ -~]+", " ", words)[:200]
    return f"HTTP {answer.status}{': ' if plain else ''}{plain}"


def _is_failure(status: int) -> bool:
    """Say whether a status may be another one the next time."""
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))


def _retry_after(answer: Answer) -> float:
    """Return the seconds that a server asks us to wait: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after"""
    return float(whole(answer.headers.get("Retry-After", ""), _MOST_SECONDS) or 0)
