"""The rules for a compose file: every allowed key with a check of its value. Any further key is refused.

The same rules hold for the written file, before compose reads any file named there, and for the output of
compose. So a value that compose must not interpret holds no variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.engine.service_reasons import WHY, WHY_TOP
from helpers.errors import ConfigError
from helpers.model import policy
from helpers.model.number import MOST_PROCESSES, whole
from helpers.model.policy import Need
from helpers.repo import git_dirs

# A compose file names the caller's user and group by this variable.
USER_VARIABLE = "HELPERS_USER"
Needs = Iterator[Need]
# To compose, `~name/x` is `$HOME/name/x` or `$HOMEname/x`, and a path with a drive or a backslash is absolute.
_NOT_PLAIN = re.compile(r"~[^/]|[A-Za-z]:|.*\\", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Where a compose file is.

    Arguments:
        file: the compose file; its paths are relative to its directory.
        directory: the runnable dir that it belongs to, without links.
        root: of the repo, without links.
        user: the caller's user and group, as in `1000:100`.
    """

    file: Path
    directory: Path
    root: Path
    user: str


class _RefusedError(Exception):
    """Why a key or its value is refused."""


def needs(found: Mapping[str, Any], at: Place) -> list[Need]:
    """Return the rights that the services of a compose file need, each once.

    Arguments:
        found: the file's content, as written or as compose made it.
        at: where it is.

    Raises:
        ConfigError: a key or value is not allowed.
    """
    told: dict[Need, None] = {}
    for key, value in found.items():
        if key in ("name", "version") or key.startswith("x-"):
            continue
        if key not in _TOP:
            raise _fault(at, key, key, WHY_TOP.get(key, "it is not in the list of allowed keys"), sorted(_TOP))
        for name, item in _items(value, key, at):
            if key == "services":
                told |= dict.fromkeys(_service(name, item, at))
            else:
                told |= dict.fromkeys(_checked(f"{key}: {name}", item, _TOP[key], at))
    return list(told)


def _items(value: Any, key: str, at: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, item in (value or {}).items() if isinstance(value, dict | None) else [(key, value)]:
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", name):
            raise _fault(at, key, name, "the name holds more than letters, digits, '.', '_' and '-'")
        if not isinstance(item, dict | None):
            raise _fault(at, key, name, "it must be a mapping")
        yield name, item or {}


def _service(name: str, service: Mapping[str, Any], at: Place) -> Needs:
    for need in _checked(f"services: {name}", service, _SERVICE, at, service):
        yield Need(need.right, f"service {name}: {need.text}")


def _checked(
    where: str, item: Mapping[str, Any], rules: Mapping[str, Any], at: Place, service: Mapping[str, Any] | None = None
) -> Needs:
    """Yield the rights for the keys of an item.

    Arguments:
        where: the item, for the message.
        item: the mapping.
        rules: the check of each allowed key; None allows every value.
        at: where the file is.
        service: the service around it, if any.
    """
    for key, value in item.items():
        if key.startswith("x-") or (key in rules and (rules[key] is None or value in (None, {}, []))):
            continue
        if key not in rules:
            raise _fault(at, where, key, WHY.get(key, "it is not in the list of allowed keys"), rules)
        try:
            yield from rules[key](value, _Around(at, key, where, service or {}))
        except (_RefusedError, OSError, ValueError) as why:
            raise _fault(at, where, key, str(why)) from None


@dataclass(frozen=True)
class _Around:
    """The context of a value: the place of the file, the key, the item in words, and the service."""

    at: Place
    key: str
    where: str
    service: Mapping[str, Any]


def _fault(at: Place, where: str, key: str, why: str, known: Iterable[str] = ()) -> ConfigError:
    import difflib  # only a mistake needs it

    near = [] if key in WHY else difflib.get_close_matches(key, list(known), n=1, cutoff=0.8)
    fix = f"did you mean {near[0]!r}?" if near else f"remove the key {key!r} or its value"
    item = where if where == key else f"{where}: {key}"
    return ConfigError(f"{item} is not allowed: {why}", where=at.file, fix=fix)


def _texts(value: Any) -> Iterator[str]:
    """Yield each text of a value: names, values and items."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)


def _literal(value: Any) -> Any:
    if any("$" in text for text in _texts(value)):
        raise _RefusedError("it holds a variable; write the value itself")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_set(value: Any) -> bool:
    return str(_literal(value)).lower() not in ("false", "no", "off", "0", "n", "")


def _only(*good: str) -> Callable[[Any, _Around], Needs]:
    """Return the check of a text against allowed texts; after a text with a final `:` comes a service's name."""

    def check(value: Any, around: _Around) -> Needs:
        text = str(_literal(value))
        if not any(text.startswith(word) if word.endswith(":") else text == word for word in good):
            raise _RefusedError(f"{text!r} shares what is not its own; it may be {', '.join(map(repr, good))}")
        yield from ()

    return check


def _own_or_host(*good: str) -> Callable[[Any, _Around], Needs]:
    """Return the check of a namespace: its own, or with a right the namespace of this machine."""

    def check(value: Any, around: _Around) -> Needs:
        if _literal(value) == "host":
            yield Need(policy.SERVICE_HOST, f"{around.key} host")
        else:
            yield from _only(*good)(value, around)

    return check


def _keys(**rules: Any) -> Callable[[Any, _Around], Needs]:
    """Return the check of a mapping with these keys, or of a list of mappings; a text is the short form."""

    def check(value: Any, around: _Around) -> Needs:
        for item in _list(value):
            if isinstance(item, dict):
                yield from _checked(f"{around.where}: {around.key}", item, rules, around.at, around.service)
            elif not isinstance(item, str):
                raise _RefusedError("it must be a mapping")

    return check


def _named(check_item: Callable[[Any, _Around], Needs]) -> Callable[[Any, _Around], Needs]:
    """Return the check of a list of names, or of a mapping from names to items."""

    def check(value: Any, around: _Around) -> Needs:
        for item in value.values() if isinstance(value, dict) else ():
            if item is not None:
                yield from check_item(item, around)

    return check


def _capability(value: Any, around: _Around) -> Needs:
    if around.key == "privileged":
        if _is_set(value):
            yield Need(policy.SERVICE_CAPABILITIES, "privileged")
        return
    items = value.items() if isinstance(value, dict) else ((str(item), None) for item in _list(value))
    words = [name if item is None else f"{name}={item}" for name, item in items]
    if more := [_literal(word) for word in words if word not in ("no-new-privileges:true", "no-new-privileges=true")]:
        yield Need(policy.SERVICE_CAPABILITIES, f"{around.key} {', '.join(more)}")


def _outside(text: str, at: Place, what: str) -> Needs:
    """Yield the rights for a path of this machine: paths outside the directory, and paths of git.

    Arguments:
        text: the path, as it is written.
        at: where the file is.
        what: the use of the path.
    """
    real = _real(text, at)
    if not real.is_relative_to(at.directory):
        yield Need(policy.SERVICE_HOST_PATH, f"{what} {text}")
    in_repo = real.is_relative_to(at.root)
    if (
        git_dirs.is_within(real, at.root)
        or at.root.is_relative_to(real)
        or (in_repo and any(git_dirs.found_below(real)))
    ):
        yield Need(policy.GIT, f"{what} {text}, which holds a .git")


def _real(text: str, at: Place) -> Path:
    if _NOT_PLAIN.match(text):
        raise _RefusedError(f"{text!r} is a path that compose or the engine may read in another way")
    # As compose does: `..` goes up in the words of the path, not from where a link leads.
    path = os.path.normpath(os.path.join(at.file.parent, os.path.expanduser(_literal(text))))
    return Path(os.path.realpath(path))


def _file(value: Any, around: _Around) -> Needs:
    """Check the path of a file, or several, for compose to read or mount."""
    for item in _list(value):
        path = item.get("path", "") if isinstance(item, dict) else item
        if not isinstance(path, str) or not path:
            raise _RefusedError("it must name a file")
        yield from _outside(path, around.at, "reads")
        if around.key == "env_file" and not _real(path, around.at).is_file():
            raise _RefusedError(f"{path!r} is no regular file")


def _extends(value: Any, around: _Around) -> Needs:
    if isinstance(value, dict) and value.keys() - {"service"}:
        raise _RefusedError("compose would read another file")
    _literal(value)
    yield from ()


def _volumes(value: Any, around: _Around) -> Needs:
    for item in _list(value):
        yield from _volume(item, around) if isinstance(item, dict) else _short_volume(str(item), around)


def _short_volume(text: str, around: _Around) -> Needs:
    """Check `[SOURCE:]TARGET[:OPTIONS]`; https://github.com/compose-spec/compose-spec/blob/main/05-services.md."""
    source, *rest = _literal(text).split(":")
    options = rest[1].split(",") if len(rest) == 2 else []
    if len(rest) > 2 or not set(options) <= {"ro", "rw", "nocopy", "cached", "delegated", "consistent"}:
        raise _RefusedError(f"{text!r} has an option that changes more than this mount")
    if rest and source.startswith((".", "/", "~")):
        yield from _bind(source, "ro" in options, around)
    elif re.search(r"[\\/]", source) and rest:
        raise _RefusedError(f"{source!r} is neither a volume's name nor a path that begins with . or /")


def _volume(item: Mapping[str, Any], around: _Around) -> Needs:
    kind, source = str(item.get("type", "volume")), str(item.get("source") or "")
    if kind not in ("volume", "tmpfs", "bind"):
        raise _RefusedError(f"the type {kind!r} is none of 'bind', 'tmpfs' and 'volume'")
    known: dict[str, Any] = {"type": None, "source": None, "target": None, "read_only": None, "consistency": None}
    known |= {"bind": _keys(create_host_path=None, propagation=_only("rprivate", "private"))}
    known |= {"volume": _keys(nocopy=None), "tmpfs": _keys(size=None, mode=None)}
    yield from _checked(f"{around.where}: {around.key}", _literal(item), known, around.at)
    if kind == "bind":
        yield from _bind(source, _is_set(item.get("read_only") or ""), around)
    elif re.search(r"[\\/]", source):
        raise _RefusedError(f"{source!r} is no volume's name")


def _bind(source: str, read_only: bool, around: _Around) -> Needs:
    yield from _outside(source, around.at, "reads")
    if not read_only:
        user = str(around.service.get("user") or "")
        mine = user in (around.at.user, f"${USER_VARIABLE}", f"${{{USER_VARIABLE}}}")
        inside = _real(source, around.at).is_relative_to(around.at.directory)
        right = (policy.WRITABLE if mine else policy.SERVICE_WRITABLE) if inside else policy.SERVICE_HOST_PATH
        yield Need(right, f"writes {source}{' as the caller' if mine else ''}")


def _build(value: Any, around: _Around) -> Needs:
    build = value if isinstance(value, dict) else {"context": value}
    yield from _checked(f"{around.where}: build", build, _BUILD, around.at)
    context = str(build.get("context") or ".")
    if re.match(r"[\w+.-]+(:|@)|github\.com/", context):
        raise _RefusedError("the context is no directory of the checkout")
    yield from _outside(context, around.at, "builds from")
    recipe = _literal(str(build.get("dockerfile") or "Dockerfile"))
    yield from _outside(str(_real(context, around.at) / recipe), around.at, "builds by")


def _hosts(value: Any, around: _Around) -> Needs:
    if any("host-gateway" in text for text in _texts(_literal(value))):
        raise _RefusedError("host-gateway is this machine")
    yield from ()


def _limits_of_processes(value: Any, around: _Around) -> Needs:
    known = {"nofile", "nproc", "core", "fsize", "stack", "memlock"}
    if not isinstance(value, dict) or not value.keys() <= known:
        raise _RefusedError(f"a limit may be one of {', '.join(sorted(known))}")
    yield from ()


def _empty(value: Any, around: _Around) -> Needs:
    raise _RefusedError(WHY.get(around.key, "it means nothing here"))
    yield


def _one(value: Any, around: _Around) -> Needs:
    if str(value) not in ("0", "1"):
        raise _RefusedError("one container of each service is started")
    yield from ()


def _external(value: Any, around: _Around) -> Needs:
    if value is not False:
        what = f"{around.where} is external: services must share nothing"
        raise ConfigError(what, where=around.at.file, fix="leave `external` out: each run has one of its own")
    yield from ()


def _process_count(value: Any, around: _Around) -> Needs:
    if not whole(str(value), MOST_PROCESSES):
        raise _RefusedError(f"it must be a number from 1 to {MOST_PROCESSES}")
    yield from ()


_RESOURCES = _keys(cpus=None, memory=None, pids=_process_count)
_REFERENCE = _keys(source=None, target=None, uid=None, gid=None, mode=None)
_BUILD: dict[str, Any] = {
    **dict.fromkeys(("args", "context", "dockerfile", "dockerfile_inline", "labels", "no_cache"), None),
    **dict.fromkeys(("platforms", "pull", "shm_size", "target"), None),
}
# None: every value is private to the container, so a variable is allowed here too.
_SERVICE: dict[str, Any] = {
    **dict.fromkeys(("attach", "cap_drop", "command", "container_name", "depends_on", "domainname"), None),
    **dict.fromkeys(("entrypoint", "environment", "expose", "group_add", "healthcheck", "hostname", "image"), None),
    **dict.fromkeys(("init", "labels", "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit"), None),
    **dict.fromkeys(("cpus", "cpu_shares", "platform", "ports", "profiles", "pull_policy", "read_only"), None),
    **dict.fromkeys(("restart", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "tmpfs"), None),
    **dict.fromkeys(("tty", "user", "working_dir"), None),
    **dict.fromkeys(("privileged", "cap_add", "devices", "device_cgroup_rules"), _capability),
    **dict.fromkeys(("security_opt", "sysctls"), _capability),
    "build": _build,
    "cgroup": _own_or_host("private"),
    "configs": _REFERENCE,
    "deploy": _keys(resources=_keys(limits=_RESOURCES, reservations=_RESOURCES), replicas=_one, placement=_empty),
    "env_file": _file,
    "extends": _extends,
    "extra_hosts": _hosts,
    "ipc": _own_or_host("none", "private", "shareable", "service:"),
    "links": None,
    "logging": _keys(driver=_only("json-file", "local", "none"), options=None),
    "network_mode": _only("none", "service:"),
    "networks": _named(_keys(aliases=None, ipv4_address=None, ipv6_address=None, priority=None)),
    "pid": _own_or_host("service:"),
    "pids_limit": _process_count,
    "scale": _one,
    "secrets": _REFERENCE,
    "ulimits": _limits_of_processes,
    "userns_mode": _own_or_host(),
    "uts": _own_or_host(),
    "volumes": _volumes,
}
_TOP: dict[str, dict[str, Any]] = {
    "services": {},
    "networks": {
        **dict.fromkeys(("name", "labels", "internal", "attachable", "enable_ipv6"), None),
        **{"driver": _only("bridge"), "ipam": _empty, "driver_opts": _empty, "external": _external},
    },
    "volumes": {"name": None, "labels": None, "driver": _only("local"), "driver_opts": _empty, "external": _external},
    "secrets": {"name": None, "labels": None, "file": _file, "external": _external},
    "configs": {"name": None, "labels": None, "file": _file, "content": None, "external": _external},
}
