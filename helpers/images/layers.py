"""What is in the layers of an image: files, Python distributions, packages of the distribution; read once per layer."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from helpers import proc
from helpers.console import counted
from helpers.errors import InfrastructureError
from helpers.images import layout as files
from helpers.images.forbidden import PRIVATE_KEY, PRIVATE_KEY_IN_CODE, PRIVATE_KEY_MARKER
from helpers.images.tool_environment import lock_of, python_of
from helpers.registry.manifest import Manifest
from helpers.storage import cache_dir, digest, use
from helpers.thin_env.slow_steps import shown

_READER = Path(__file__).with_name("read_layers.py")
_SECONDS = 600.0
# How a layer says that it removes a file of a layer below, or all of a directory:
# https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
_REMOVED, _EMPTIED = ".wh.", ".wh..wh..opq"


class File(NamedTuple):
    """An entry of a layer.

    Arguments:
        path: from the root of the image, without a leading slash.
        type: as tar says it.
        size: bytes.
        mode: its permissions.
        link: where it leads.
    """

    path: str
    type: str
    size: int
    mode: int
    link: str

    @property
    def is_file(self) -> bool:
        """Whether it has content of its own."""
        return self.type in ("0", "\0", "7")

    @property
    def is_link(self) -> bool:
        """Whether it leads to another path."""
        return self.type in ("1", "2")

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.type == "5"


class Distribution(NamedTuple):
    """A Python distribution.

    Arguments:
        name: as it calls itself.
        version: its version.
        licence: as an SPDX expression; empty where it does not say.
        path: the directory that describes it.
        files: what it brought by path, with the sha256 of each where it is known.
    """

    name: str
    version: str
    licence: str
    path: str
    files: Mapping[str, str | None]


class Package(NamedTuple):
    """A package of the distribution, as its package manager knows it; `source` is empty where it has the same name."""

    name: str
    version: str
    architecture: str
    source: str


@dataclass(frozen=True)
class Layer:
    """One layer of an image.

    Arguments:
        digest: of its blob.
        size: bytes of its blob.
        files: its entries.
        removed: paths of layers below that it takes away.
        secrets: sha256 of each file with a private key in it, by path.
        distributions: Python distributions that it brings.
        packages: all packages of the distribution that are installed, where it changes them.
        owned: paths that the packages that it brings say are theirs.
        code: sha256 of each file below /app.
        system: the fields of its os-release.
    """

    digest: str
    size: int
    files: tuple[File, ...]
    removed: tuple[str, ...]
    secrets: Mapping[str, str]
    distributions: tuple[Distribution, ...]
    packages: tuple[Package, ...]
    owned: frozenset[str]
    code: Mapping[str, str] = field(default_factory=dict)
    system: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What the image of one platform holds.

    Arguments:
        platform: as in `linux/amd64`.
        image: its manifest.
        layers: its layers, lowest first.
        diff_ids: the digest of what each of them holds, uncompressed; none where that is not known.
    """

    platform: str
    image: Manifest
    layers: tuple[Layer, ...]
    diff_ids: tuple[str, ...] = ()

    def split(self, known: frozenset[str]) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
        """Return the layers whose diff ids are in `known`, and all the others; what is not known is another."""
        ids = self.diff_ids if len(self.diff_ids) == len(self.layers) else [""] * len(self.layers)
        pairs = list(zip(self.layers, ids, strict=True))
        those = tuple(layer for layer, name in pairs if name in known)
        return those, tuple(layer for layer, name in pairs if name not in known)

    @cached_property
    def files(self) -> dict[str, File]:
        """What a container sees, by path."""
        seen: dict[str, File] = {}
        for layer in self.layers:
            if gone := frozenset(layer.removed):
                seen = {path: file for path, file in seen.items() if gone.isdisjoint(_with_parents(path))}
            seen |= {file.path: file for file in layer.files}
        return seen

    @cached_property
    def packages(self) -> tuple[Package, ...]:
        """Packages of the distribution: the last layer that says something says it all."""
        return next((layer.packages for layer in reversed(self.layers) if layer.packages), ())

    @cached_property
    def code(self) -> dict[str, str]:
        """The sha256 of each file below /app."""
        every = {path: value for layer in self.layers for path, value in layer.code.items()}
        return {path: every[path] for path in sorted(every) if path in self.files}

    @cached_property
    def system(self) -> Mapping[str, str]:
        """The fields of os-release."""
        return next((layer.system for layer in reversed(self.layers) if layer.system), {})

    @cached_property
    def owned(self) -> frozenset[str]:
        """Paths that packages of the distribution brought, also by the names that links on the way give them."""
        found = frozenset[str]().union(*(layer.owned for layer in self.layers))
        links = {file.path: file.link.strip("/") for file in self.files.values() if file.type == "2"}
        merged = {name: links[name] for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32") if name in links}
        return found | {
            f"{merged[head]}/{rest}"
            for head, _, rest in (path.partition("/") for path in found)
            if rest and head in merged
        }

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """Python distributions of all layers, but not those that another one, or a package, has in it as a copy."""
        every = {one.path: one for layer in self.layers for one in layer.distributions}
        parts = {path for one in every.values() for path in one.files if not path.startswith(f"{one.path}/")}
        return tuple(
            one
            for path, one in sorted(every.items())
            if not any(name in parts or name in self.owned for name in (path, *_describing(path)))
        )

    @cached_property
    def brought(self) -> dict[str, Distribution]:
        """The Python distribution that brought a path."""
        return {path: one for one in self.distributions for path in one.files}

    def is_owned(self, path: str) -> bool:
        """Say whether a package of the distribution brought a path, or what it is the bytecode of."""
        return path in self.owned or source_of(path) in self.owned

    def owner(self, path: str) -> Distribution | None:
        """Return the Python distribution that brought a path, or what it is the bytecode of."""
        return self.brought.get(path) or self.brought.get(source_of(path))


def contents(layout: Path, digest: str) -> list[Contents]:
    """Return what the image of each platform of `digest` holds.

    Arguments:
        layout: the OCI layout that has it.
        digest: of an index, or of the image of one platform.

    Raises:
        InfrastructureError: a layer can not be read.
    """
    built = files.images(layout, digest)
    layers = read(layout, {layer.digest: layer.size for image in built.values() for layer in image.blobs[1:]})
    return [
        Contents(platform, image, tuple(layers[layer.digest] for layer in image.blobs[1:]), _diff_ids(layout, image))
        for platform, image in built.items()
    ]


def _diff_ids(layout: Path, image: Manifest) -> tuple[str, ...]:
    return tuple(map(str, files.config(layout, image).get("rootfs", {}).get("diff_ids", [])))


def read(layout: Path, sizes: Mapping[str, int]) -> dict[str, Layer]:
    """Return layers by their digest; what was read before is remembered.

    Arguments:
        layout: the OCI layout that has them.
        sizes: the size of each layer in bytes, by its digest.
    """
    rule = digest(_READER.read_bytes(), lock_of("layers").read_bytes(), PRIVATE_KEY, PRIVATE_KEY_IN_CODE)[:12]
    reports = {one: cache_dir() / "layers" / f"{one.partition(':')[2]}-{rule}.json" for one in sizes}
    for report in reports.values():
        use("layers", report.name)
    if missing := {one: report for one, report in reports.items() if not report.exists()}:
        megabytes = sum(map(sizes.__getitem__, missing)) / 1e6
        with shown(f"reading {counted(len(missing), 'layer')}", key="reading layers", usual=1.0 + megabytes / 30):
            _run_reader(layout, missing)
    return {one: _parse(one, sizes[one], report) for one, report in reports.items()}


def _run_reader(layout: Path, missing: Mapping[str, Path]) -> None:
    (cache_dir() / "layers").mkdir(parents=True, exist_ok=True)
    pairs = [[str(files.blob_path(layout, one)), str(report)] for one, report in missing.items()]
    rules = {"secret": PRIVATE_KEY, "secret_in_code": PRIVATE_KEY_IN_CODE, "marker": PRIVATE_KEY_MARKER}
    request = {**rules, "layers": pairs}
    # -I: the directory of the script holds modules whose names libraries import from elsewhere.
    argv = [str(python_of("layers")), "-I", str(_READER)]
    done = proc.run(argv, stdin=json.dumps(request), timeout=_SECONDS)
    if done.code:
        raise InfrastructureError(
            f"the layers of the image can not be read: {done.reason}", where=layout, fix="remove the layout, then again"
        )


def _parse(name: str, size: int, report: Path) -> Layer:
    said = json.loads(report.read_bytes())
    entries = [File(*item) for item in said["files"]]
    marks = [file.path for file in entries if _is_mark(file.path)]
    return Layer(
        digest=name,
        size=size,
        files=tuple(file for file in entries if not _is_mark(file.path)),
        removed=tuple(_removed(path) for path in marks),
        secrets=said["secrets"],
        distributions=tuple(Distribution(**item) for item in said["distributions"]),
        packages=tuple(Package(**item) for item in said["packages"]),
        owned=frozenset(said["owned"]),
        code=said["code"],
        system=said["system"],
    )


def _is_mark(path: str) -> bool:
    return posixpath.basename(path).startswith(_REMOVED)


def _removed(mark: str) -> str:
    """Return the path that a mark takes away; that of a directory for all that is in it."""
    directory, name = posixpath.split(mark)
    return directory if name == _EMPTIED else posixpath.join(directory, name.removeprefix(_REMOVED))


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _describing(path: str) -> Iterable[str]:
    return (f"{path}/{name}" for name in ("METADATA", "PKG-INFO"))


def source_of(path: str) -> str:
    """Return the module that a file with its bytecode was compiled from (https://peps.python.org/pep-3147/)."""
    directory, _, name = path.rpartition("/")
    if not name.endswith(".pyc") or not directory.endswith("/__pycache__"):
        return ""
    return f"{directory.removesuffix('__pycache__')}{name.partition('.')[0]}.py"
