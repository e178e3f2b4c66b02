"""The environment of a container, in which the markers of requirements count."""

from __future__ import annotations

from helpers.errors import ConfigError
from helpers.model.manifest import Stated


def is_true(marker: str, target: dict[str, str], stated: Stated) -> bool:
    """Return whether a marker is true in an environment; an empty marker is.

    Raises:
        ConfigError: the text is no marker.
    """
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison  # most manifests have no marker

    try:
        return not marker or Marker(marker).evaluate(target)
    except (InvalidMarker, UndefinedComparison) as error:
        raise ConfigError(f"{stated.value!r} is no requirement", where=stated.source, why=str(error)) from None


def environment(python: str) -> dict[str, str]:
    """Return the environment of a container, in which markers are evaluated."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
