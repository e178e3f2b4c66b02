"""The one schema of the settings of a directory: names, types, defaults and what each setting is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from posixpath import basename, normpath
from typing import Any

from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.model.container_options import ContainerOptions, in_bytes
from helpers.model.container_options import checks as checks_of_options
from helpers.model.image import HOST_PATTERN, NAME_PATTERN, Base, parse_platforms, too_long
from helpers.model.lock_kind import kind_of
from helpers.model.number import MOST_PROCESSES
from helpers.model.settings_file import NAME, spelled

# Patterns are compiled when there is something to check: most settings are empty at most starts.
# Docker refuses less (https://docs.docker.com/engine/containers/resource_constraints/); no machine has more.
_LEAST_MEMORY, _MOST_MEMORY = 6 << 20, 1 << 50
_MOST_SECONDS = 7 * 24 * 3600
# A command line and a file's name end somewhere.
_MOST_CHARACTERS, _MOST_ITEMS = 4096, 1000
_TEXT = f"of at most {_MOST_CHARACTERS} characters, none of them null"
_ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
_DEBIAN_PACKAGE = r"[a-z0-9][a-z0-9+.-]+"
# What stands first is a host only with a dot or a port, or as localhost:
# https://pkg.go.dev/github.com/distribution/reference
_REGISTRY = rf"(?=localhost(/|$)|[^/]*[.:]){HOST_PATTERN}(/{NAME_PATTERN})*"
_NOT_SET = "without PATH and HELPERS_..., whose values helpers sets"
# https://packaging.python.org/en/latest/specifications/name-normalization/#valid-non-normalized-names
# A requirements file is a group by its path.
_GROUP = r"[A-Za-z0-9]([\w./-]*[A-Za-z0-9])?"
_LOCKS = "the path of a poetry.lock, uv.lock, pdm.lock, pylock.toml, pylock.NAME.toml or hashed requirements (.txt)"
DEFAULT_BASE = "archive:bookworm"
# How a container gets the distribution of a directory with a build backend.
INSTALLED = ("editable", "compiled", "wheel")
# How a container may start containers, and what that gives it.
DOCKER = {
    "sibling": "this machine's engine, with all that it can do",
    "child": "an engine of its own, privileged",
}


def _setting(default: Any, about: str, *, of_the_repo: bool = False) -> Any:
    """Declare one setting; lists are given as tuples, because settings must be hashable.

    Arguments:
        default: its value where it is not set.
        about: what it is for, for the reference.
        of_the_repo: whether it is read from the root only, runnable dir or not.
    """
    return field(default=default, metadata={"about": about, "of_the_repo": of_the_repo})


@dataclass(frozen=True)
class Settings:
    """`[tool.helpers]` of one directory."""

    base: str = _setting(DEFAULT_BASE, "what the image is built on: `archive:SUITE`, `image:NAME:TAG` or `dir:PATH`")
    system_packages: tuple[str, ...] = _setting((), "packages of the distribution that the image holds")
    lock: str = _setting(
        "", "lock of the dependencies, relative to the directory, as in `uv.lock`; empty: the one lock that is there"
    )
    groups: tuple[str, ...] = _setting(
        (), "dependency groups for development and tests, besides the main dependencies; `main` alone: none; empty: all"
    )
    extras: tuple[str, ...] = _setting((), "extras of the project for development and tests")
    tests: tuple[str, ...] = _setting(("test",), "directories and files, inside the directory, that hold tests")
    not_tests: tuple[str, ...] = _setting(
        (),
        "files that are no tests although they have the names of tests: patterns of paths; also read from the root",
        of_the_repo=True,
    )
    strict_tests: bool = _setting(
        False,
        "refuse a run while a tracked test file never runs, as with `--strict-tests`; read from the root",
        of_the_repo=True,
    )
    uses: tuple[str, ...] = _setting(
        (),
        "what its tests may read besides: paths in the repo, relative to it; code of runnable dirs is on the path",
    )
    python_path: tuple[str, ...] = _setting(
        (),
        "directories of the repo, relative to it, in which Python finds more modules, as in `../lib`; tests see them",
    )
    writable: tuple[str, ...] = _setting((), "paths inside the directory that its tests may write to")
    installed: str = _setting(
        "",
        "how the directory's own distribution is installed: `editable`, `compiled` or `wheel`; empty: by its files",
    )
    build_packages: tuple[str, ...] = _setting(
        (), "packages of the distribution for the build of the directory's own wheel; empty: by its languages"
    )
    network: str = _setting("none", "network of a test run: `none` or `bridge`")
    docker: str = _setting("", "how a container may start containers: `sibling` or `child`; empty: not at all")
    env: tuple[str, ...] = _setting(
        (), "environment variables of a container: names of the host's, as in `API_URL`, and values, as in `MODE=test`"
    )
    env_file: str = _setting(
        "", "file in the repo with further variables of a container, relative to the directory: `NAME=VALUE` a line"
    )
    code: tuple[str, ...] = _setting(
        (), "tracked files and directories, inside the directory, that `prod` holds; empty: its packages and modules"
    )
    entrypoint: tuple[str, ...] = _setting(
        (), "command that a container of `prod` starts; empty: `python -m` the package that has a `__main__.py`"
    )
    prod_allows: tuple[str, ...] = _setting(
        (), "what `prod` may hold although the scan of its layers refuses it: patterns of paths and packages"
    )
    platforms: tuple[str, ...] = _setting(
        (), "what is released is built for these, as in `linux/arm64`; empty: this machine's own"
    )
    memory: str = _setting("2g", "memory limit of a container: a number and k, m or g")
    shm_size: str = _setting(
        "", "size of `/dev/shm`, at most `memory`, which it is a part of: a number and k, m or g; empty: `memory`"
    )
    cpus: float = _setting(0.0, "how many cores a container may use, as in `1.5`; 0: all")
    pids: int = _setting(1024, "how many processes a container may have")
    ulimits: tuple[str, ...] = _setting(
        (), "limits of each process, as in `nofile=1024` or `nofile=1024:4096` (soft and hard); -1: no limit"
    )
    gpus: str = _setting(
        "", "graphics processors that a container gets: `all`, a number, or `device=ID,ID`; empty: none"
    )
    devices: tuple[str, ...] = _setting(
        (), "devices of this machine that a container gets, as in `/dev/kvm` or `/dev/a:/dev/b:r`"
    )
    hostname: str = _setting(
        "", "name of the container; its address is found under it; empty: `helpers` without a network, else the id"
    )
    extra_hosts: tuple[str, ...] = _setting(
        (), "further names in `/etc/hosts`, as in `db.test:127.0.0.1`; `NAME:host-gateway` is this machine"
    )
    timeout: int = _setting(600, "seconds until a test run is stopped")
    registry: str = _setting(
        "", "registry that images are pushed to, with port and path if any; read from the root", of_the_repo=True
    )
    sync: tuple[str, ...] = _setting(
        (),
        "common files of helpers that this repo shares, besides the shims: paths; read from the root",
        of_the_repo=True,
    )
    helpers: str = _setting(
        "",
        "versions of helpers that this repo works with, as in `>=0.1,<1`; empty: any; read from the root",
        of_the_repo=True,
    )

    @property
    def inherited(self) -> tuple[str, ...]:
        """The variables of the host that a container is given."""
        return tuple(item for item in self.env if "=" not in item)

    @property
    def values(self) -> dict[str, str]:
        """The variables that a container is given with a fixed value."""
        pairs = (item.partition("=") for item in self.env)
        return {name: value for name, mark, value in pairs if mark}

    @property
    def options(self) -> ContainerOptions:
        """What these settings change of the directory's containers."""
        return ContainerOptions(**{item.name: getattr(self, item.name) for item in fields(ContainerOptions)})


# Settings that say nothing about their own directory.
OF_THE_REPO = frozenset(item.name for item in fields(Settings) if item.metadata["of_the_repo"])


def defaults_table() -> list[tuple[str, str, str]]:
    """Return (name, default as TOML, what it is for) of every setting, in the order of the schema."""
    return [(item.name, _toml(item.default), item.metadata["about"]) for item in fields(Settings)]


def parse_settings(table: Mapping[str, Any], where: str) -> Settings:
    """Return the settings in `table`, the content of `[tool.helpers]` or of `devops/helpers.toml`, the file `where`.

    Raises:
        ConfigError: an unknown key (with the nearest right name), a wrong type, or a value out of range.
    """
    known = {item.name: item for item in fields(Settings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            import difflib  # only a mistake needs it

            near = difflib.get_close_matches(key, known, n=1)
            raise ConfigError(
                f"{NAME if where.endswith(NAME) else '[tool.helpers]'} has no setting {excerpt(key)}",
                where=where,
                fix=f"did you mean {near[0]!r}?" if near else f"the settings are: {', '.join(known)}",
            )
        values[key] = _typed(key, value, known[key].default, where)
    settings = Settings(**values)
    _check_values(settings, where)
    # Then all that follows what tests see follows these paths, too.
    named = (settings.env_file, *settings.python_path)
    outside = (name for name in named if name.startswith("..") and name not in settings.uses)
    return replace(settings, uses=(*settings.uses, *outside))


def _typed(key: str, value: Any, default: Any, where: str) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(key, value, "a list of strings", where)
        if len(value) > _MOST_ITEMS or not all(map(_is_text, value)):
            raise _wrong(key, value, f"at most {_MOST_ITEMS} strings {_TEXT}", where)
        if len(set(value)) != len(value):
            raise ConfigError(f"{spelled(key, where)} names {excerpt(_duplicate(value))} twice", where=where)
        return tuple(value)
    # In TOML a number with all decimals zero may be whole.
    if type(value) is not type(default) and (type(value), type(default)) != (int, float):
        wanted = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}[type(default)]
        raise _wrong(key, value, wanted, where)
    if isinstance(value, str) and not _is_text(value):
        raise _wrong(key, value, f"a string {_TEXT}", where)
    return value


def _is_text(value: str) -> bool:
    return len(value) <= _MOST_CHARACTERS and "\0" not in value


def _is_registry(text: str) -> bool:
    return not text or (re.fullmatch(_REGISTRY, text, re.ASCII) is not None and not too_long(text))


def _are_variables(settings: Settings) -> bool:
    names = [*settings.inherited, *settings.values]
    return (
        len(names) == len(settings.env) == len(set(names))
        and all(re.fullmatch(_ENV_NAME, name) for name in names)
        and not any(is_ours(name) for name in settings.values)
    )


def is_ours(name: str) -> bool:
    """Return whether a container depends on the value that it has of a variable."""
    # The runner of tests is a Python program too: these would load code of the directory into the runner.
    return name in ("PATH", "PYTHONPATH", "PYTHONHOME") or name.startswith(("HELPERS_", "LD_"))


def _are_platforms(items: tuple[str, ...]) -> bool:
    try:
        return not items or len(parse_platforms(",".join(items))) == len(items)
    except ValueError:
        return False


def _wrong(key: str, value: Any, wanted: str, where: str) -> ConfigError:
    return ConfigError(f"{spelled(key, where)} must be {wanted}, not {excerpt(value)}", where=where)


def _duplicate(values: list[str]) -> str:
    return next(value for index, value in enumerate(values) if value in values[:index])


def _check_values(settings: Settings, where: str) -> None:
    try:
        Base.parse(settings.base)
    except ValueError as error:
        raise ConfigError(f"{spelled('base', where)}: {error}", where=where) from None
    if settings.helpers:
        from helpers.model.version import Range

        try:
            Range.parse(settings.helpers)
        except ValueError as error:
            raise ConfigError(f"{spelled('helpers', where)}: {error}", where=where) from None
    if settings.docker not in ("", *DOCKER):
        raise _wrong("docker", settings.docker, " or ".join(map(repr, DOCKER)), where)
    checks: list[tuple[str, bool, str]] = [
        ("installed", settings.installed in ("", *INSTALLED), " or ".join(map(repr, INSTALLED))),
        ("network", settings.network in ("none", "bridge"), "'none' or 'bridge'"),
        (
            "memory",
            _LEAST_MEMORY <= in_bytes(settings.memory) <= _MOST_MEMORY,
            "a size like '512m' or '2g', of 6m or more",
        ),
        ("pids", 16 <= settings.pids <= MOST_PROCESSES, f"at least 16 and at most {MOST_PROCESSES}"),
        ("timeout", 1 <= settings.timeout <= _MOST_SECONDS, f"at least 1 and at most {_MOST_SECONDS} (seconds)"),
        ("platforms", _are_platforms(settings.platforms), "platforms like 'linux/amd64' and 'linux/arm64'"),
        # https://docs.pytest.org: pytest takes a bracket for the begin of a test's parameters.
        ("tests", bool(settings.tests) and "[" not in "".join(settings.tests), "at least one path, each without '['"),
        (
            "registry",
            _is_registry(settings.registry),
            "HOST[:PORT][/PATH], the path in lower case",
        ),
        ("env", _are_variables(settings), f"names of environment variables, each once, and NAME=VALUE, {_NOT_SET}"),
        *(
            (name, all(re.fullmatch(_DEBIAN_PACKAGE, item) for item in getattr(settings, name)), "names of packages")
            for name in ("system_packages", "build_packages")
        ),
        ("lock", not settings.lock or kind_of(basename(settings.lock)) is not None, _LOCKS),
        ("groups", all(re.fullmatch(_GROUP, name) for name in settings.groups), "names of dependency groups"),
        ("extras", all(re.fullmatch(_GROUP, name) for name in settings.extras), "names of extras"),
        (
            "env_file",
            not settings.env_file or settings.env_file == normpath(f"./{settings.env_file}"),
            "the path of a file, relative to the directory and without '.' in it",
        ),
        *checks_of_options(settings.options, settings.memory),
    ]
    for key, good, wanted in checks:
        if not good:
            raise _wrong(key, getattr(settings, key), wanted, where)


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
