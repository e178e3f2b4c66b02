"""Checks of the network settings: certificate authority, package index, clock, proxy. Credentials are never shown."""

from __future__ import annotations

import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from helpers import host
from helpers.doctor.finding import MISSING, OK, WARN, Check, masked

_SECONDS = 3.0
_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
# What BuildKit accepts as a secret (https://docs.docker.com/build/building/secrets/).
_SECRET_LIMIT = 500 * 1024
_DRIFT_SECONDS = 60.0


@dataclass(frozen=True)
class Bundle:
    """A bundle of certificates that a variable names.

    Arguments:
        variable: the variable.
        path: its value.
        problem: why it can not be used; empty when it can.
        size: bytes.
        count: how many certificates it holds.
        expired: how many of them are over.
    """

    variable: str
    path: str
    problem: str = ""
    size: int = 0
    count: int = 0
    expired: int = 0


@dataclass(frozen=True)
class Answer:
    """What the package index answered.

    Arguments:
        url: its address, with credentials if there are any.
        status: HTTP status; 0 when it did not answer.
        problem: why it did not.
        drift: seconds that this machine's clock is ahead of the index's; None when it did not say.
    """

    url: str
    status: int = 0
    problem: str = ""
    drift: float | None = None


def gather_bundles() -> list[Bundle]:
    """Read every bundle that this machine's settings name, each one once."""
    named = {os.environ[name]: name for name in reversed(_VARIABLES) if os.environ.get(name)}
    return [read_bundle(variable, path) for path, variable in named.items()]


def read_bundle(variable: str, path: str) -> Bundle:
    """Return what the bundle at `path` holds."""
    try:
        size = len(Path(path).read_bytes())
    except OSError as error:
        return Bundle(variable, path, problem=(error.strerror or "cannot be read").lower())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return Bundle(variable, path, "holds no certificate in PEM form", size)
    ends = [ssl.cert_time_to_seconds(str(item["notAfter"])) for item in context.get_ca_certs()]
    expired = sum(end < time.time() for end in ends)
    return Bundle(variable, path, "", size, context.cert_store_stats()["x509"], expired)


def judge_bundles(bundles: list[Bundle]) -> tuple[str, str, str]:
    """Every bundle can be used, also as a secret of a build."""
    if not bundles:
        return OK, "the system's own certificates", ""
    return min(map(_judge_bundle, bundles), key=lambda found: (MISSING, WARN, OK).index(found[0]))


def _judge_bundle(bundle: Bundle) -> tuple[str, str, str]:
    name = f"{bundle.variable}={bundle.path}"
    point = f"export {bundle.variable}=FILE  (a PEM bundle of fewer certificates)"
    if bundle.problem:
        return MISSING, f"{name}: {bundle.problem}", f"unset {bundle.variable}, or point it to a PEM file"
    if bundle.size > _SECRET_LIMIT:
        limit = _SECRET_LIMIT // 1024
        return MISSING, f"{name}: {bundle.size // 1024} kB; a build takes at most {limit} kB", point
    if bundle.count and bundle.expired == bundle.count:
        return MISSING, f"{name}: all {bundle.count} certificates are expired", point
    # One of many that is over does no harm by itself: it is only told.
    over = f", {bundle.expired} of them expired" if bundle.expired else ""
    return OK, f"{name}: {bundle.count} certificates{over}", ""


def gather_index() -> Answer:
    """Ask the machine's package index for its head."""
    url = host.pip_index()
    if url.startswith("file:"):
        there = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).exists()
        return Answer(url, 200) if there else Answer(url, problem="there is no such directory")
    return ask(url)


def ask(url: str) -> Answer:
    """Return what `url` answers within 3 s; any HTTP answer is one."""
    parts = urllib.parse.urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        request = urllib.request.Request(bare, method="HEAD")
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            return Answer(url, response.status, drift=_drift(response.headers.get("Date")))
    except urllib.error.HTTPError as error:
        return Answer(url, error.code, drift=_drift(error.headers.get("Date")))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Answer(url, problem=masked(str(reason).replace(url, masked(url))))


def _drift(date: str | None) -> float | None:
    return time.time() - parsedate_to_datetime(date).timestamp() if date else None


def judge_index(answer: Answer) -> tuple[str, str, str]:
    """The package index answers."""
    where = masked(answer.url)
    if not answer.status:
        fix = "python3 -m pip config list  (check its address, and the proxy)"
        return WARN, f"{where} does not answer ({answer.problem}): only what is cached can be installed", fix
    if answer.status >= 500:
        return WARN, f"{where} answers with HTTP {answer.status}", "wait, then again: invoke doctor"
    # 401 and 403 are answers to a question without credentials, which are not sent just to see.
    return OK, f"{where} answers", ""


def judge_clock(answer: Answer) -> tuple[str, str, str]:
    """The clock agrees with the index's; certificates and dates in changelogs depend on it."""
    if not answer.status:
        return WARN, "cannot tell: the package index does not answer", ""
    if answer.drift is None:
        return OK, "cannot tell: the package index answers without a date", ""
    if abs(answer.drift) > _DRIFT_SECONDS:
        side = "ahead" if answer.drift > 0 else "behind"
        return WARN, f"{abs(answer.drift):.0f} s {side} of the package index", "sudo timedatectl set-ntp true"
    return OK, f"within {_DRIFT_SECONDS:.0f} s of the package index", ""


def gather_proxies() -> dict[str, str]:
    """Return the proxies that this machine's settings name, without credentials."""
    return {name: masked(value) for name, value in host.settings().proxies if name.islower()}


def judge_proxies(proxies: dict[str, str]) -> tuple[str, str, str]:
    """Show the proxies; that they work is seen by the index answering."""
    return OK, ", ".join(f"{name}={value}" for name, value in proxies.items()) or "none", ""


CHECKS: tuple[Check[Any], ...] = (
    Check("certificates", gather_bundles, judge_bundles),
    Check("package index", gather_index, judge_index),
    Check("clock", gather_index, judge_clock),
    Check("proxy", gather_proxies, judge_proxies),
)
