"""The policy: the rights of a runnable dir to weaken its isolation. The policy comes from outside the checkout."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from helpers.console import as_argument
from helpers.errors import PolicyError, UsageError
from helpers.model.settings import DOCKER

NETWORK, WRITABLE, ENV, GIT = "network", "writable", "env", "git"
GPUS, DEVICES, HOST_GATEWAY = "gpus", "devices", "host-gateway"
SERVICE_WRITABLE, SERVICE_HOST_PATH = "service-writable", "service-host-path"
SERVICE_HOST, SERVICE_CAPABILITIES = "service-host", "service-capabilities"
# Every right, with its sentence in the docs.
RIGHTS = {
    NETWORK: "tests reach every network that this machine reaches",
    WRITABLE: "tests, or a service as the caller, write to paths inside the directory",
    ENV: "tests get variables of this machine; `env=NAME` grants one variable",
    **{f"docker-{kind}": f"tests start containers: {gives}" for kind, gives in DOCKER.items()},
    GPUS: "tests get graphics processors of this machine",
    DEVICES: "tests get devices of this machine, and so may read and write its disks",
    HOST_GATEWAY: "tests get a name for the address of this machine",
    GIT: "tests or a service read a `.git`, where a CI checkout may leave its token",
    SERVICE_WRITABLE: "a service writes to paths inside the directory, as any user",
    SERVICE_HOST_PATH: "a service mounts or is built from a path outside the directory",
    SERVICE_HOST: "a service shares processes, memory or users with this machine",
    SERVICE_CAPABILITIES: "a service is privileged, or has capabilities, devices or kernel settings of its own",
}
# The rights of every directory if no policy is given.
DEFAULT = (NETWORK, WRITABLE, ENV, *(f"docker-{kind}" for kind in DOCKER), GPUS, HOST_GATEWAY)
_STRICT, _DEFAULT = "strict", "default"


@dataclass(frozen=True)
class Need:
    """A right that a directory needs.

    Arguments:
        right: a name of `RIGHTS`.
        text: the setting that needs the right, as a run prints the setting.
        detail: the variable's name, for `env`.
    """

    right: str
    text: str
    detail: str = ""

    @property
    def item(self) -> str:
        """The item of a policy that grants the right."""
        return f"{self.right}={self.detail}" if self.detail else self.right


@dataclass(frozen=True)
class Policy:
    """The rights of directories.

    Arguments:
        grants: pairs of a directory (empty: every directory) and an item: a right, or `env=NAME`.
        text: the policy as it was given; empty without a policy.
    """

    grants: frozenset[tuple[str, str]] = field(default_factory=lambda: frozenset(("", right) for right in DEFAULT))
    text: str = ""

    def missing(self, directory: str, needs: Iterable[Need]) -> list[Need]:
        """Return the needs of a directory that this policy does not grant.

        Arguments:
            directory: its path relative to the root, with forward slashes.
            needs: its needs.
        """
        return [
            need
            for need in needs
            if self.grants.isdisjoint((where, item) for where in ("", directory) for item in (need.right, need.item))
        ]

    def rights_of(self, directory: str) -> tuple[str, ...]:
        """Return the rights of a directory; `env=NAME` is no right by itself.

        Arguments:
            directory: its path relative to the root, with forward slashes.
        """
        return tuple(right for right in RIGHTS if not self.grants.isdisjoint((("", right), (directory, right))))

    @property
    def is_stricter(self) -> bool:
        """Whether a policy was given, and withholds a right of the default."""
        return bool(self.text) and not {("", right) for right in DEFAULT} <= self.grants


def refusal(directory: str, missing: Sequence[Need], policy: str = "") -> PolicyError:
    """Return the error for rights that the policy does not grant.

    Arguments:
        directory: its path relative to the root, with forward slashes.
        missing: the needs without a grant.
        policy: the policy as it was given.
    """
    # An item of a text holds no space and no comma.
    where = "" if re.search(r"[\s,]", directory) else f"{directory}:"
    items = [policy or _DEFAULT, *dict.fromkeys(f"{where}{need.item}" for need in missing)]
    return PolicyError(
        f"the policy does not grant {'; '.join(f'{need.item} ({need.text})' for need in missing)}",
        where=directory,
        fix=f"main_pytest.py --dir {shlex.quote(as_argument(directory))} --policy {shlex.quote(','.join(items))}",
    )


def parse(text: str, read: Callable[[str], str]) -> Policy:
    """Return the policy of a text: items with commas or spaces between them.

    Arguments:
        text: `strict`, `default`, RIGHT, DIR:RIGHT and @FILE.
        read: returns the content of a FILE: an item a line, `#` begins a comment.

    Raises:
        UsageError: an item names no right.
    """
    grants: set[tuple[str, str]] = set()
    for word in text.replace(",", " ").split():
        for item in _lines(read(word[1:])) if word.startswith("@") else [word]:
            grants |= _granted(item)
    return Policy(frozenset(grants), text)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if item := line.partition("#")[0].strip():
            yield item


def _granted(item: str) -> set[tuple[str, str]]:
    """Return the pairs of a directory and a right for an item."""
    if item == _STRICT:
        return set()
    if item == _DEFAULT:
        return {("", right) for right in DEFAULT}
    directory, colon, right = item.rpartition(":")
    name, equals, detail = right.partition("=")
    if name not in RIGHTS or (equals and (name != ENV or not detail)) or (colon and not directory):
        raise _unknown(item, name)
    return {(directory.removeprefix("./").rstrip("/"), right)}


def _unknown(item: str, name: str) -> UsageError:
    import difflib  # only a mistake needs it

    words = [_STRICT, _DEFAULT, *RIGHTS]
    near = difflib.get_close_matches(name, words, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"the words are: {', '.join(words)}, DIR:RIGHT, @FILE"
    return UsageError(f"the policy has no item {item!r}", where="--policy or HELPERS_POLICY", fix=fix)
