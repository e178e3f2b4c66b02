"""The docker client's own settings, without the proxies for each container and build.

The client adds variables from `proxies` of its config.json, passwords included, to every container and build that it
starts (https://docs.docker.com/engine/cli/proxy/). A copy of the settings without that key keeps logins, contexts and
plugins. There is a copy only if the settings name proxies.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from helpers.storage import cache_dir, digest

# Variables that the client sets from `proxies`.
PROXY_VARIABLES = tuple(
    spelled(f"{what}_proxy") for what in ("http", "https", "ftp", "no", "all") for spelled in (str.upper, str.lower)
)
_FILE = "config.json"


def without_proxies() -> list[str]:
    """Return the client's options for its settings without `proxies`; empty without proxies."""
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        settings = json.loads((own / _FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        settings = {}  # the client itself reports a broken file
    named = isinstance(settings, dict) and settings.pop("proxies", None)
    kept = cache_dir() / "docker-settings"
    copy = kept / digest(str(own))[:16]
    if not named:
        if kept.exists():
            shutil.rmtree(copy, ignore_errors=True)  # it holds logins
        return []
    copy.mkdir(mode=0o700, parents=True, exist_ok=True)
    for entry in own.iterdir():
        if entry.name != _FILE:
            with suppress(FileExistsError):
                (copy / entry.name).symlink_to(entry.absolute())
    text = json.dumps(settings)
    file = copy / _FILE
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        aside = copy / f".{_FILE}-{os.getpid()}-{os.urandom(4).hex()}"
        with open(aside, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as written:
            written.write(text)
        os.replace(aside, file)
    return ["--config", str(copy)]
