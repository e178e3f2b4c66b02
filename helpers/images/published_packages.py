"""The Python packages of a published base, which an image on that base shares."""

from __future__ import annotations

import json
import re

from helpers import proc
from helpers.console import say
from helpers.engine import argv, client, ownership
from helpers.model.base_lock import BaseLock
from helpers.model.poetry_lock import normal_name
from helpers.model.stage import Stage
from helpers.storage import cache_dir, digest, write_once
from helpers.thin_env.slow_steps import shown

_SECONDS = 900.0
_VERSION = re.compile(r"[\w.+!]+")
# https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-dist-info-directory
_SUFFIX = ".dist-info"
_SCRIPT = f'for each in /opt/venv/lib/python3*/site-packages/*{_SUFFIX}; do echo "${{each##*/}}"; done\n'


def of(recorded: BaseLock) -> dict[str, str]:
    """Return the versions in the recorded base by package; empty with a note if the base cannot be asked."""
    if not recorded.inputs:
        return {}  # not an image of helpers: the packages of its system do not limit /opt/venv
    kept = cache_dir() / "packages" / f"{digest(recorded.digest)}.json"
    if not kept.exists():
        reference = recorded.reference(Stage.DEV)
        if why := client.why_not_running():
            say(f"note: the lock does not follow the packages of {recorded.name}: {why}")
            return {}
        with shown(f"asking {recorded.name} for its packages", usual=5.0):
            done = proc.run(argv.run_script(reference, ownership.this_owner()), stdin=_SCRIPT, timeout=_SECONDS)
        if done.code:
            say(f"note: the lock does not follow the packages of {recorded.name}: {done.reason}")
            return {}
        write_once(kept, json.dumps(dict(sorted(_named(done.stdout)))))
    found: dict[str, str] = json.loads(kept.read_bytes())
    return found


def _named(output: str) -> list[tuple[str, str]]:
    pairs = (line.removesuffix(_SUFFIX).rpartition("-") for line in output.splitlines() if line.endswith(_SUFFIX))
    return [(normal_name(name), version) for name, mark, version in pairs if mark and _VERSION.fullmatch(version)]
