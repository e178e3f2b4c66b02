"""The error about a package index that refuses a login, or needs one."""

from __future__ import annotations

import base64
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPException

from helpers import host
from helpers.errors import ConfigError
from helpers.model.package_index import PackageIndex

_SECONDS = 5.0
_UNAUTHORIZED, _FORBIDDEN = 401, 403
# The words of poetry. uv names a refusal only with some of its strategies.
_SAID = re.compile(r"Source \([^()\n]*\): Authorization error accessing (\S+)")
# uv ends with one of these if an index gives no list or no file.
_OF_UV = ("no version", "not found in the package registry", "(401 ", "(403 ")


def of_poetry(output: str, indexes: Iterable[PackageIndex], where: object) -> ConfigError | None:
    """Return the error about the index of which poetry says that it refuses the login; None without such words.

    Arguments:
        output: the words of poetry.
        indexes: those of the project.
        where: the project; an index of the machine has no place.
    """
    for found in _SAID.findall(output):
        url = PackageIndex(found)
        known = [*((index, where) for index in indexes), *((index, None) for index in _of_machine())]
        for index, place in known:
            if url.bare.startswith(f"{index.bare}/") or url.origin == index.origin:
                return _error(index, place)
    return None


def of_install(output: str, indexes: Iterable[PackageIndex], where: object) -> ConfigError | None:
    """Return the error about the first index that refuses its login now, after an install by uv failed; or None.

    Arguments:
        output: the words of uv, and of other programs.
        indexes: those of the lock, besides those of the machine.
        where: the directory; an index of the machine has no place.
    """
    if not any(words in output for words in _OF_UV):
        return None
    for index, place in [*((index, where) for index in indexes), *((index, None) for index in _of_machine())]:
        if _refuses(index):
            return _error(index, place)
    return None


def _of_machine() -> list[PackageIndex]:
    settings = host.settings()
    return [PackageIndex(url) for url in (settings.index, *settings.extra_indexes) if url]


def _refuses(index: PackageIndex) -> bool:
    if not index.bare.startswith(("http://", "https://")):
        return False
    login, ca = host.settings().login_of(index), host.settings().ca
    # Any name of a package: some indexes show their list of names to everybody.
    request = urllib.request.Request(f"{index.bare}/pip/")
    if login:
        pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        # A redirect to a second server must not carry the login.
        request.add_unredirected_header("Authorization", f"Basic {pair}")
    with suppress(OSError, ValueError, HTTPException):
        try:
            context = ssl.create_default_context(cafile=str(ca) if ca else None)
            with urllib.request.urlopen(request, timeout=_SECONDS, context=context):
                return False
        except urllib.error.HTTPError as error:
            # A public index may answer 403 about a package that it does not have.
            return error.code == _UNAUTHORIZED or (error.code == _FORBIDDEN and login is not None)
    return False


def _error(index: PackageIndex, where: object) -> ConfigError:
    login = host.settings().login_of(index)
    name = f"the package index {index.names[0]!r}" if index.names else "the package index of this machine"
    what = f"{name} refuses the login of {login.source}" if login else f"{name} needs a login, and there is none"
    user, password = next(iter(index.variables()), ("", ""))
    netrc = f"machine {index.host if index.names else 'HOST'} login USER password PASSWORD"
    first = f"export {user}=USER {password}=PASSWORD" if user else "write the login into the URL of the index"
    return ConfigError(what, where=where, fix=f"{first}  (or write to ~/.netrc: {netrc})")
