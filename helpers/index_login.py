"""The login of a package index, as pip, uv and poetry of this user find the login; nothing of a checkout is read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from helpers import proc
from helpers.model.package_index import PackageIndex

# The source of a login that an address holds.
IN_URL = "its URL"
_KEYRING = ("UV_KEYRING_PROVIDER", "PIP_KEYRING_PROVIDER")


@dataclass(frozen=True)
class Login:
    """An account of a package index.

    Arguments:
        user: the name of the account.
        password: the password or token.
        source: the place of the login, for a message.
    """

    user: str = field(repr=False)
    password: str = field(repr=False)
    source: str

    def into(self, url: str) -> str:
        """Return a URL without a login with this login."""
        parts = urlsplit(url)
        pair = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return parts._replace(netloc=f"{pair}@{parts.netloc}").geturl()


def of(index: PackageIndex) -> Login | None:
    """Return the login of an index, or None.

    The first place counts: its URL, the variables of uv and poetry, poetry's `auth.toml`, netrc, and the keyring if a
    variable of pip or uv asks for the keyring.
    """
    if not index.bare.startswith(("http://", "https://")):
        return None
    parts = urlsplit(index.url)
    user = unquote(parts.username or "")
    if parts.password:
        return Login(user, unquote(parts.password), IN_URL)
    found = _of_variables(index) or _of_poetry(index)
    if found and found.password:
        return found
    user = found.user if found else user
    return _of_netrc(index, user) or _of_keyring(index, user) or found


def _of_variables(index: PackageIndex) -> Login | None:
    for user, password in index.variables():
        if os.environ.get(user) or os.environ.get(password):
            return Login(os.environ.get(user, ""), os.environ.get(password, ""), f"{user} and {password}")
    return None


def _of_poetry(index: PackageIndex) -> Login | None:
    """Return the login that `poetry config http-basic.NAME USER PASSWORD` wrote without a keyring."""
    file = _poetry_settings() / "auth.toml"
    if not index.names or not file.is_file():
        return None
    from helpers import pyproject  # few users have the file

    with suppress(Exception):  # poetry itself names a fault of its file
        known = pyproject.parse_toml(file.read_text(encoding="utf-8"), file)["http-basic"]
        for name in (name for name in index.names if name in known):
            return Login(str(known[name]["username"]), str(known[name].get("password", "")), str(file))
    return None


def _poetry_settings() -> Path:
    if named := os.environ.get("POETRY_CONFIG_DIR"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "pypoetry"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pypoetry"


def _of_netrc(index: PackageIndex, user: str) -> Login | None:
    import netrc  # only what builds or locks asks for logins

    named = os.environ.get("NETRC")
    for file in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        with suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError):
            found = netrc.netrc(str(file)).authenticators(index.host)
            if found and user in ("", found[0]):
                return Login(found[0], found[2] or "", str(file))
    return None


def _of_keyring(index: PackageIndex, user: str) -> Login | None:
    """Ask the user's keyring as uv and pip do: https://docs.astral.sh/uv/reference/settings/#keyring-provider."""
    if not any(os.environ.get(name) in ("subprocess", "import") for name in _KEYRING):
        return None
    import shutil  # brings every format of archives

    # The checkout writes both, and an option would be an order to the program.
    if not (program := shutil.which("keyring")) or user.startswith("-") or index.host.startswith("-"):
        return None
    # poetry: https://python-poetry.org/docs/repositories/#configuring-credentials
    for service in (index.bare, index.host, *(f"poetry-repository-{name}" for name in index.names)):
        words = ["get", service, user] if user else ["--mode", "creds", "get", service]
        done = proc.run([program, *words])
        lines = done.stdout.splitlines()
        if done.code == 0 and len(lines) == (1 if user else 2):
            return Login(user or lines[0], lines[-1], "the keyring")
    return None
