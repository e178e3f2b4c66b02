"""Verdicts that a team shares: in a directory that its machines mount, or in a repository of a registry.

Off unless `HELPERS_VERDICTS` names the place. Every run reads the place; `HELPERS_VERDICTS_WRITE=1` adds entries.
Write access to the place can make any test pass: give it to trusted branches only. An entry that no run could have
written is a warning and a miss. A place without an answer costs a warning, and the run does not ask again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from helpers.console import printable, say
from helpers.driver import kept_verdict
from helpers.driver.results import read_result
from helpers.driver.verdict import Verdict
from helpers.engine.seam import Control
from helpers.errors import ConfigError, HelpersError, InfrastructureError, UsageError
from helpers.images import layout
from helpers.registry.address import Address
from helpers.registry.manifest import OCI_MANIFEST
from helpers.registry.repository import Registry
from helpers.registry.upload import put_manifest
from helpers.storage import scratch

_PLACE = "HELPERS_VERDICTS"
# More than a registry that is well needs, and less than tests are worth.
_SECONDS = 10.0
_AT_A_TIME = 8
# https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
_VERDICT = "application/vnd.helpers.verdict.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"


class Store(Protocol):
    """A place for verdicts; each has a key, and never another content."""

    def read(self, key: str) -> Any:
        """Return the JSON of a key; None without an entry.

        Raises:
            DamagedVerdictError: something else is kept there.
            InfrastructureError: the place does not answer.
        """

    def where(self, key: str) -> str:
        """Return the name of the place with the verdict of a key, for messages."""

    def write(self, key: str, verdict: dict[str, Any]) -> None:
        """Keep a verdict by its key.

        Raises:
            InfrastructureError: the place does not take it.
        """


class Directory:
    """Verdicts as files of a directory; what is half written is never seen.

    Arguments:
        path: of the directory; it must be there: nobody is helped by one in the place of a mount that is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str) -> Any:
        """See `Store`."""
        file = self._file(key)
        try:
            file.lstat()
        except FileNotFoundError as error:
            if not self._path.is_dir():
                raise self._failed("read", error) from None
            return None
        except OSError as error:
            raise self._failed("read", error) from None
        # Neither a link nor a FIFO is followed or waited for.
        data = read_result(file, kept_verdict.MOST_BYTES)
        if data is None:
            raise kept_verdict.DamagedVerdictError("it is no regular file, too large, or not readable")
        return kept_verdict.parsed(data)

    def where(self, key: str) -> str:
        """See `Store`."""
        return str(self._file(key))

    def write(self, key: str, verdict: dict[str, Any]) -> None:
        """See `Store`."""
        file = self._file(key)
        # Machines that mount the same directory may have processes of the same number.
        aside = file.with_name(f".{key}-{os.urandom(6).hex()}")
        try:
            file.parent.mkdir(exist_ok=True)
            aside.write_text(json.dumps(verdict), encoding="utf-8")
            os.replace(aside, file)
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            raise self._failed("written", error) from None

    def _file(self, key: str) -> Path:
        return self._path / key[:2] / f"{key}.json"

    def _failed(self, what: str, error: OSError) -> InfrastructureError:
        return InfrastructureError(f"can not be {what}: {error.strerror}", where=self._path)


class Repository:
    """Verdicts as artifacts in a repository of a registry: a tag for each, whose configuration is the verdict.

    Arguments:
        name: of the repository, with the registry's host.
        control: stops what is under way.

    Raises:
        ConfigError: the name is none of a repository.
    """

    def __init__(self, name: str, control: Control) -> None:
        Address.parse(name)
        self._name = name
        self._control = control
        self._threads = threading.local()

    def read(self, key: str) -> Any:
        """See `Store`."""
        try:
            found = self._registry.find(_tag(key))
            return self._registry.config(found.digest) if found else None
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
            raise kept_verdict.DamagedVerdictError("it is no artifact with a verdict") from None

    def where(self, key: str) -> str:
        """See `Store`."""
        return f"{self._name}:{_tag(key)}"

    def write(self, key: str, verdict: dict[str, Any]) -> None:
        """See `Store`."""
        with scratch() as folder:
            layout.blob_path(folder, "sha256:").mkdir(parents=True)
            about = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": _VERDICT,
                "config": layout.add(folder, layout.json_bytes(verdict), _VERDICT),
                "layers": [layout.add(folder, b"{}", _EMPTY)],
            }
            digest = layout.add(folder, layout.json_bytes(about), OCI_MANIFEST)["digest"]
            self._registry.push(folder, digest)
        # Of two runs that passed either's word is as good.
        put_manifest(self._registry, self._registry.manifest(digest), _tag(key))

    @property
    def _registry(self) -> Registry:
        if not hasattr(self._threads, "registry"):
            self._threads.registry = Registry(self._name, self._control, seconds=_SECONDS)
        found: Registry = self._threads.registry
        return found


class SharedVerdicts:
    """A store that is given up for the rest of the run when it fails.

    Arguments:
        store: the place.
        writes: whether verdicts may be added.
    """

    def __init__(self, store: Store, *, writes: bool) -> None:
        self._store = store
        self._writes = writes
        self._failed = threading.Event()
        self._lock = threading.Lock()

    def find(self, names: Mapping[str, str]) -> dict[str, Verdict]:
        """Return the verdicts of some keys, without the keys that have no verdict.

        Arguments:
            names: of the runnable dirs, by the keys.
        """
        found: dict[str, Verdict] = {}

        def read(key: str) -> None:
            try:
                data = self._store.read(key)
                if data is not None:
                    found[key] = kept_verdict.from_entry(data, names[key])
            except kept_verdict.DamagedVerdictError as error:
                where = printable(f"{self._store.where(key)}; why: {error}")
                say(f"warning: a shared verdict on {printable(names[key])} is not believed: {where}")

        self._with_each(names, read)
        return found

    def add(self, verdicts: Mapping[str, dict[str, Any]]) -> None:
        """Keep verdicts by their keys, if this run may."""
        if self._writes:
            self._with_each(verdicts, lambda key: self._store.write(key, verdicts[key]))

    def complete(self, names: Mapping[str, str], give: Callable[[str], dict[str, Any]]) -> None:
        """Keep verdicts that were known before, as far as they are lacking and this run may.

        Arguments:
            names: of the runnable dirs, by the keys of their verdicts.
            give: returns the entry of a key.
        """
        if self._writes:
            there = self.find(names)
            self.add({key: give(key) for key in names if key not in there})

    def _with_each(self, keys: Iterable[str], do: Callable[[str], None]) -> None:
        def attempt(key: str) -> None:
            try:
                if not self._failed.is_set():
                    do(key)
            except HelpersError as error:
                with self._lock:
                    if not self._failed.is_set():
                        say(f"warning: without the verdicts in {_PLACE} from here on: {error.summary}")
                    self._failed.set()

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(attempt, keys))


def named(control: Control) -> SharedVerdicts:
    """Return the verdicts in the place that the environment names.

    Arguments:
        control: stops what is under way.

    Raises:
        UsageError: it names neither a directory nor a repository.
    """
    place = os.environ["HELPERS_VERDICTS"]
    try:
        store: Store = Directory(Path(place)) if os.path.isabs(place) else Repository(place, control)
    except ConfigError as error:
        what = f"{_PLACE}={place} is no absolute path and no repository with its registry's host"
        fix = f"{_PLACE}=/mnt/verdicts, {_PLACE}=HOST[:PORT]/NAME, or unset it"
        raise UsageError(what, why=error.what, fix=fix) from None
    return SharedVerdicts(store, writes=os.environ.get("HELPERS_VERDICTS_WRITE") == "1")


def _tag(key: str) -> str:
    return f"verdict-{key}"
