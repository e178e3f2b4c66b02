"""What this machine says of its network: certificate authority, package index, proxy, and who the user is."""

from __future__ import annotations

import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from helpers import index_login, proc
from helpers.errors import InfrastructureError
from helpers.index_login import Login
from helpers.model import package_index
from helpers.model.package_index import PackageIndex
from helpers.thin_env import pip_config
from helpers.thin_env.threads import started

_CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")

# Variables of the caller that any tool may read. A token of a CI service is not in the list: no tool needs a token.
_HANDED_ON = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC", "SSL_CERT_DIR"),
        *(*_CA_VARIABLES, *_PROXY_VARIABLES, *(name.upper() for name in _PROXY_VARIABLES)),
    )
)

# These variables serve publication; programs started here do not publish.
_TO_PUBLISH = "UV_PUBLISH_"

T = TypeVar("T")


class once(Generic[T]):
    """A function of no arguments that is called once, also when several threads want its answer at the same time."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._lock = threading.Lock()
        self._cached = cache(function)
        self.cache_clear = self._cached.cache_clear
        self.__doc__ = function.__doc__

    def __call__(self) -> T:
        """Return the answer."""
        with self._lock:
            return self._cached()


@dataclass(frozen=True)
class HostSettings:
    """Network settings of the machine, none of which may end in an image's layer.

    Arguments:
        ca: a bundle of certificates that packages are fetched with; None is the system's own.
        index: URL of the package index, with its login; None is the installer's default.
        extra_indexes: URLs asked besides it, with their logins.
        proxies: environment variables that name a proxy.
        strategy: how uv chooses among several indexes; empty is its default.
    """

    ca: Path | None
    index: str | None = field(repr=False)
    extra_indexes: tuple[str, ...] = field(repr=False)
    proxies: tuple[tuple[str, str], ...]
    strategy: str = ""

    def environment(self, ca: str | None) -> dict[str, str]:
        """Return the variables that uv, pip and apt take these settings from.

        Arguments:
            ca: where the bundle lies for the program that will read it.
        """
        env = dict(self.proxies)
        if ca:
            env |= dict.fromkeys((*_CA_VARIABLES, "GIT_SSL_CAINFO"), ca)
        if self.index:
            env |= {"UV_DEFAULT_INDEX": self.index, "PIP_INDEX_URL": self.index}
        if self.extra_indexes:
            env["UV_INDEX"] = env["PIP_EXTRA_INDEX_URL"] = " ".join(self.extra_indexes)
        if self.strategy:
            env["UV_INDEX_STRATEGY"] = self.strategy
        return env

    def beside(self, indexes: Iterable[PackageIndex]) -> HostSettings:
        """Return the settings with the indexes of a project and their logins before the indexes of the machine."""
        urls = [login.into(one.bare) if (login := self.login_of(one)) else one.url for one in indexes]
        # The lock has decided about each version, and hashes about each file: the order of the indexes may not.
        strategy = pip_config.uv_strategy(os.environ, urls) or self.strategy
        extra = (*urls, *(url for url in self.extra_indexes if url not in urls))
        return replace(self, extra_indexes=extra, strategy=strategy)

    def login_of(self, index: PackageIndex) -> Login | None:
        """Return the login of an index: its own, or that of an index of this machine on the same server."""
        if login := index_login.of(index):
            return login
        own = [PackageIndex(url) for url in (self.index or "", *self.extra_indexes)]
        near = (index_login.of(one) for one in own if one.origin == index.origin)
        return next(filter(None, near), None)

    def shell_file(self, ca: str | None) -> str:
        """Return `environment` as lines that a shell reads with `.`."""
        return _shell_lines(self.environment(ca))

    def backend_environment(self, ca: str | None) -> dict[str, str]:
        """Return the variables for the build backend of a project: certificates and proxies, and no password."""
        open_proxies = tuple((name, value) for name, value in self.proxies if "@" not in value)
        env = HostSettings(self.ca, None, (), open_proxies).environment(ca)
        # https://doc.rust-lang.org/cargo/reference/config.html#httpcainfo
        return {**env, "CARGO_HTTP_CAINFO": ca} if ca else env

    def backend_shell_file(self, ca: str | None) -> str:
        """Return `backend_environment` as lines that a shell reads with `.`."""
        return _shell_lines(self.backend_environment(ca))


def _shell_lines(env: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


@once
def settings() -> HostSettings:
    """Return the settings of this machine: environment variables first, then pip's configuration files."""
    pip = _pip_settings()
    ca = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), pip.get("cert"))
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or pip.get("index-url")
    extra = pip_config.extra_indexes(pip)
    own = map(package_index.written, os.environ.get("UV_INDEX", "").split())
    more = [one for one in (*own, *map(PackageIndex, extra)) if one.url.startswith(("http://", "https://"))]
    return HostSettings(
        ca=Path(ca) if ca and Path(ca).is_file() else None,
        index=_with_login(package_index.written(index)) if index else None,
        extra_indexes=tuple(map(_with_login, more)),
        proxies=_proxies(os.environ, pip.get("proxy", "")),
        strategy=pip_config.uv_strategy(os.environ, extra),
    )


def _with_login(index: PackageIndex) -> str:
    login = index_login.of(index)
    return login.into(index.bare) if login and login.source != index_login.IN_URL else index.url


def tool_environment(*own: str) -> dict[str, str]:
    """Return the variables of the caller for a tool that reads files of a checkout.

    Arguments:
        own: beginnings of the names by which the tool has its own settings, as in `UV_`.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in _HANDED_ON or (name.startswith(own) and not name.startswith(_TO_PUBLISH))
    }


@contextmanager
def asked_ahead() -> Iterator[None]:
    """Find out `settings` beside what goes on within; what is wrong with them is said to who asks for them later."""

    def ask() -> None:
        with suppress(Exception):
            settings()

    thread = threading.Thread(target=ask, daemon=True)
    runs = started(thread)
    try:
        yield
    finally:
        if runs:
            thread.join()


def _proxies(environ: Mapping[str, str], pip_proxy: str) -> tuple[tuple[str, str], ...]:
    found = {}
    for name in _PROXY_VARIABLES:
        value = environ.get(name) or environ.get(name.upper())
        if name == "all_proxy":
            # pip's own is for what no variable names a proxy for, as in the thin environment.
            value = value or pip_proxy
        if value:
            found[name] = found[name.upper()] = value
    return tuple(found.items())


def _pip_settings() -> dict[str, str]:
    return pip_config.parse(_ask_pip(*pip_config.COMMAND).stdout)


def _ask_pip(*arguments: str) -> proc.Completed:
    """Ask this Python; where it brings no pip the thin environment has none, and the system's is asked."""
    import shutil  # brings every format of archives; a start that finds its image does without it

    done = proc.run([sys.executable, *arguments])
    system = shutil.which("python3")
    return proc.run([system, *arguments]) if done.code and system else done


@once
def pip_index() -> str:
    """Return the URL of the package index that pip on this machine uses, its built-in default included.

    Raises:
        InfrastructureError: there is no pip to say so, neither beside this Python nor the system's.
    """
    index = settings().index
    if index:
        return index
    script = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    done = _ask_pip("-c", script)
    if not done.stdout.strip():
        raise InfrastructureError(
            f"pip does not say which package index this machine uses: {done.reason}",
            fix="set PIP_INDEX_URL, or run this from the thin environment (source dev_scripts/setenv.sh)",
        )
    return done.stdout.strip()


@dataclass(frozen=True)
class User:
    """Who runs a command: numeric ids, and a name that is safe in a path and in `/etc/passwd`."""

    uid: int
    gid: int
    name: str

    @property
    def home(self) -> str:
        """The home directory inside a container."""
        return "/root" if self.uid == 0 else f"/home/{self.name}"


def user() -> User:
    """Return the caller; an id without a name in this machine's user database is called `user<uid>`."""
    import pwd  # not on every platform, and only containers need it

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user{uid}"
    return User(uid, os.getgid(), re.sub(r"[^a-z0-9_-]", "-", name.lower()) or f"user{uid}")
