"""The settings of a directory that become options of its containers, and their rules: Docker refuses other values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Patterns are compiled when there is something to check.
_SIZE = r"([1-9][0-9]{0,14})([kmg])"
_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# https://docs.docker.com/reference/cli/docker/container/run/#ulimit, without `nice`, `rtprio` and `rttime`: these put
# processes of a container before those of the machine.
_ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss", "sigpending"),
    "stack",
)
_ULIMIT = r"([a-z]+)=(-1|[0-9]{1,18})(?::(-1|[0-9]{1,18}))?"
_NO_LIMIT = 1 << 63
# The kernel's own limit: fs.nr_open in https://man7.org/linux/man-pages/man5/proc_sys_fs.5.html
_MOST_FILES = 1 << 20
_MOST_OF_OPTION = 1000
_LEAST_CPUS, _MOST_CPUS = 0.01, 1024
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*"
# https://man7.org/linux/man-pages/man7/hostname.7.html
_MOST_OF_HOSTNAME, _MOST_OF_NAME = 64, 253
# https://docs.docker.com/reference/cli/docker/container/run/#gpus
_GPU = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}"
_GPUS = rf"all|[1-9][0-9]{{0,2}}|device={_GPU}(,{_GPU})*"
# A name of its own: all of /dev would be each disk.
_DEVICE = r"/dev(/[A-Za-z0-9_][A-Za-z0-9._+-]*)+"
_DEVICES = rf"{_DEVICE}(:{_DEVICE})?(:(?=[rwm])r?w?m?)?"
# Docker's word for the address of the machine that the engine runs on.
HOST_GATEWAY = "host-gateway"


@dataclass(frozen=True)
class ContainerOptions:
    """What the settings of a directory change of its containers, each by the setting of the same name.

    Arguments:
        shm_size: size of `/dev/shm`, as in `256m`; empty is the limit of memory.
        cpus: how many cores it may use; 0 is all.
        ulimits: limits of its processes, as in `nofile=1024:4096`.
        gpus: graphics processors that it gets: `all`, a number, or `device=ID,ID`.
        devices: devices of the machine that it gets, as in `/dev/kvm` or `/dev/a:/dev/b:r`.
        hostname: its name; empty leaves that to the engine.
        extra_hosts: further names with their addresses, as in `db.test:127.0.0.1`.
    """

    shm_size: str = ""
    cpus: float = 0.0
    ulimits: tuple[str, ...] = ()
    gpus: str = ""
    devices: tuple[str, ...] = ()
    hostname: str = ""
    extra_hosts: tuple[str, ...] = ()


def in_bytes(size: str) -> int:
    """Return the bytes of a size like `2g`; 0 for another text."""
    match = re.fullmatch(_SIZE, size, re.ASCII)
    return int(match[1]) * _BYTES[match[2]] if match else 0


def checks(options: ContainerOptions, memory: str) -> list[tuple[str, bool, str]]:
    """Return a check for each setting: its name, whether its value is right, and what is right.

    Arguments:
        options: the settings.
        memory: the limit of memory, as in `2g`.
    """
    return [
        (
            "shm_size",
            not options.shm_size or 0 < in_bytes(options.shm_size) <= in_bytes(memory),
            f"a size like '256m', at most memory ({memory}), which it is a part of",
        ),
        (
            "cpus",
            not options.cpus or _LEAST_CPUS <= options.cpus <= _MOST_CPUS,
            f"at least {_LEAST_CPUS} and at most {_MOST_CPUS}",
        ),
        (
            "ulimits",
            _are_ulimits(options.ulimits),
            f"limits like 'nofile=1024:4096', soft before hard, each name once: {', '.join(_ULIMITS)}; "
            f"nofile is at most {_MOST_FILES}",
        ),
        (
            "gpus",
            not options.gpus or _is(_GPUS, options.gpus),
            "'all', a number, or numbers and names like 'device=0,GPU-1a2b'",
        ),
        (
            "devices",
            all(_is(_DEVICES, item) for item in options.devices),
            "devices like '/dev/kvm' or '/dev/ttyUSB0:/dev/modem:rw', with the rights r, w and m in this order",
        ),
        ("hostname", not options.hostname or _is_name(options.hostname, _MOST_OF_HOSTNAME), "a host name"),
        (
            "extra_hosts",
            all(map(_is_host, options.extra_hosts)),
            f"names with an address like 'db.test:127.0.0.1' or 'engine.test:{HOST_GATEWAY}'",
        ),
    ]


def _is(pattern: str, text: str) -> bool:
    return len(text) <= _MOST_OF_OPTION and re.fullmatch(pattern, text, re.ASCII) is not None


def _are_ulimits(items: Sequence[str]) -> bool:
    found = [re.fullmatch(_ULIMIT, item, re.ASCII) for item in items]
    names = [match[1] for match in found if match]
    return len(set(names)) == len(items) and all(_is_ulimit(match) for match in found if match)


def _is_ulimit(match: re.Match[str]) -> bool:
    soft, hard = (_NO_LIMIT if number == "-1" else int(number) for number in (match[2], match[3] or match[2]))
    return match[1] in _ULIMITS and soft <= hard and (match[1] != "nofile" or hard <= _MOST_FILES)


def _is_name(text: str, most: int) -> bool:
    return len(text) <= most and _is(_NAME, text)


def _is_host(item: str) -> bool:
    import ipaddress  # takes a while, and few directories need it

    name, _, address = item.partition(":")
    try:
        # Docker takes an address with a zone for no address.
        is_address = address == HOST_GATEWAY or ("%" not in address and bool(ipaddress.ip_address(address)))
    except ValueError:
        return False
    return is_address and _is_name(name, _MOST_OF_NAME)
