"""The names by which tests find services, which no name of the container may hide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from helpers.errors import ConfigError
from helpers.model.container_options import ContainerOptions


def check(services: Mapping[str, Any], options: ContainerOptions, file: Path) -> None:
    """Refuse a name of the container that hides a service: `/etc/hosts` counts more than the engine's names.

    Arguments:
        services: the services of a compose file, by name.
        options: of the container that they stand beside.
        file: the compose file.

    Raises:
        ConfigError: `hostname` or `extra_hosts` has the name or an alias of a service.
    """
    settings = {host.partition(":")[0].lower(): "extra_hosts" for host in options.extra_hosts}
    settings |= {options.hostname.lower(): "hostname"}
    for service, table in services.items():
        for name in (service, *_aliases(table)):
            if setting := settings.get(name.lower()):
                what = f"the setting {setting} hides the service {service} from its tests: both have the name {name}"
                raise ConfigError(what, where=file, fix=f"change the setting {setting}, or the name here")


def _aliases(service: Any) -> Iterator[str]:
    networks = service.get("networks") if isinstance(service, dict) else None
    for network in networks.values() if isinstance(networks, dict) else ():
        aliases = network.get("aliases") if isinstance(network, dict) else None
        yield from map(str, aliases if isinstance(aliases, list) else ())
