"""Where a repository of images is: the registry's host, and the name there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from helpers.errors import ConfigError
from helpers.model.image import NAME_PATTERN

_HOST_PATTERN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?"
_SET_REGISTRY = 'set [tool.helpers] registry = "HOST[:PORT][/PATH]" in the pyproject.toml of the repo\'s root'


@dataclass(frozen=True)
class Address:
    """One repository of images.

    Arguments:
        host: the registry, with a port if any: the name that `docker login` takes.
        name: the repository's name in that registry.
    """

    host: str
    name: str

    @classmethod
    def parse(cls, repository: str) -> Address:
        """Return the address that `repository` spells, `HOST[:PORT]/PATH` without tag or digest.

        A name without a host is refused, because a release must never go to a registry that nobody named.

        Raises:
            ConfigError: it has no host, or is no name of a repository.
        """
        host, _, name = repository.partition("/")
        if not names_host(repository):
            raise ConfigError(
                f"the image {repository!r} names no registry",
                why="images are pushed to and pulled from a registry that the repo names, and from no other",
                fix=_SET_REGISTRY,
            )
        if is_docker_s_own(repository):
            raise ConfigError(
                f"{repository!r} is in Docker's own public registry, which is not spoken to directly",
                why=f"another host than {host} serves it, and its login is kept under another name",
                fix=f"{_SET_REGISTRY}, with the host that serves it",
            )
        if not re.fullmatch(_HOST_PATTERN, host):
            raise ConfigError(f"{host!r} in {repository!r} is not HOST or HOST:PORT", fix=_SET_REGISTRY)
        if not re.fullmatch(rf"{NAME_PATTERN}(?:/{NAME_PATTERN})*", name):
            raise ConfigError(
                f"{name!r} in {repository!r} is not the name of a repository (lower case, without tag or digest)"
            )
        return cls(host, name)

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"

    @property
    def url(self) -> str:
        """The registry's base URL: only a registry on this machine is spoken to without TLS, as Docker does."""
        return f"{'http' if is_loopback(hostname(self.host)) else 'https'}://{self.host}"


def names_host(repository: str) -> bool:
    """Say whether a repository's name has a registry's host in it.

    Docker takes the first part for a host if it has a dot or a colon or is `localhost`
    (https://github.com/distribution/reference).
    """
    host, slash, _ = repository.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")


def is_docker_s_own(repository: str) -> bool:
    """Say whether a repository's name has the host that stands for Docker's own registry, and serves none itself."""
    return hostname(repository.partition("/")[0]).lower() == "docker.io"


def hostname(host: str) -> str:
    """Return `host` without its port and without an IPv6 address's brackets."""
    return re.sub(r":[0-9]+$", "", host).strip("[]") if not host.endswith("]") else host.strip("[]")


def is_loopback(name: str) -> bool:
    """Say whether `name`, a host name or an IP address, is this machine itself."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
