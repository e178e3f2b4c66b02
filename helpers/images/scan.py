"""Judges a prod image by what each of its layers holds: what a later layer removes is in the image all the same.

What the distribution's packages and the locked Python distributions bring is public and was chosen: only what is beside
them is asked for secrets, caches and setuid.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from helpers import config
from helpers.console import say
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import layout as files
from helpers.images import lock, newest
from helpers.images.forbidden import forbidden_part, secrets_of, why_secret
from helpers.images.layers import Contents, File, Layer, contents
from helpers.images.recipe import image_layers, siblings_in_prod
from helpers.manifest.read import read as read_manifest
from helpers.model.base_lock import BaseLock
from helpers.model.pinned_line import pins
from helpers.model.poetry_lock import normal_name
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.registry.manifest import short

_LINES = 18
_CACHES = re.compile(
    r"((.*/)?\.cache/(?=.)|var/lib/apt/lists/(?!lock$|partial$).|var/cache/apt/.*\.(bin|deb)$|(var/)?tmp/.).*"
)
# Programs that make others, by the names of their packages and of their files.
_BUILD_TOOLS = re.compile(r"(gcc|g\+\+|clang|cpp)(-\d+)?|make|cmake|git|build-essential|python3-(pip|setuptools|wheel)")
_PROGRAMS = re.compile(r"(cc|gcc|g\+\+|c\+\+|clang)(-\d+)?|make|cmake|git|uvx?|pip(3(\.\d+)?)?")
_SETUID, _SETGID = 0o4000, 0o2000


@dataclass(frozen=True)
class Finding:
    """Something that must not be in a prod image.

    Arguments:
        layer: digest of the layer that has it; of the image where it is no matter of one layer.
        what: its absolute path, or `package NAME`.
        why: why it must not be there.
    """

    layer: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"layer {short(self.layer)}  {self.what}: {self.why}"


@dataclass(frozen=True)
class Rules:
    """What the directory, and those that its image is built on, ask for.

    Arguments:
        pins: name and version of what the main dependencies are locked to; the version is empty where any will do.
        system_packages: packages of the distribution that they name.
        tests: their directories and files with tests.
        allows: patterns of what is let through.
        published: diff ids of the layers of a base that was published or released, and judged then.
    """

    pins: frozenset[tuple[str, str]]
    system_packages: frozenset[str]
    tests: tuple[str, ...]
    allows: tuple[str, ...]
    published: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ScanReport:
    """What a sound prod image holds, one of `contents` for each platform."""

    contents: tuple[Contents, ...]

    @property
    def lines(self) -> list[str]:
        """A line for each platform."""
        return [_line(one) for one in self.contents]


def check(layout: Path, digest: str, runnable: RunnableDir, load: config.Loader) -> ScanReport:
    """Return what a prod image holds.

    Arguments:
        layout: the OCI layout that has it.
        digest: of its index, or of the image of one platform.
        runnable: the directory that it is of.
        load: reads the runnable dir at a path, for bases of the kind `dir:`.

    Raises:
        PolicyError: it holds something that must not be there; every finding is named with its layer.
    """
    rules = _rules(runnable, load)
    held = contents(layout, digest)
    found = [
        finding
        for one in held
        for finding in (*judge(one, rules), *_configuration(layout, one), *_named_secrets(layout, one, rules.allows))
    ]
    if found := list(dict.fromkeys(found)):
        lines = [f"  {finding}" for finding in found[:_LINES]]
        more = [f"  and {len(found) - _LINES} more"] if len(found) > _LINES else []
        raise PolicyError(
            "\n".join(["its prod image holds what must not be there:", *lines, *more]),
            where=runnable.path,
            fix="take it out of what the image is built from, or name it in [tool.helpers] prod_allows",
        )
    return ScanReport(tuple(held))


def judge(held: Contents, rules: Rules) -> list[Finding]:
    """Return what must not be in the image of one platform, by layers."""
    found: list[Finding] = []
    for layer in held.split(rules.published)[1]:
        free = [file for file in layer.files if not held.is_owned(file.path) and not held.owner(file.path)]
        found += _secrets(held, layer, free)
        found += _leftovers(layer, free, rules)
        found += _links(layer)
        found += _setuid(layer, free)
        found += _unpinned(held, layer, rules)
    found += _tools(held, rules)
    return [
        finding
        for finding in dict.fromkeys(found)
        if not any(fnmatchcase(finding.what, pattern) for pattern in rules.allows)
    ]


def outside_os(held: Contents) -> dict[str, list[str]]:
    """Return what an image holds beside the distribution's packages: paths of files and links, by what brought them.

    The groups are `code` (below /app), a name and version for each Python distribution, `environment` (what else makes
    the virtual environment) and `system` (what the packages made when they were installed).
    """
    groups: dict[str, list[str]] = {}
    for path, file in sorted(held.files.items()):
        if not file.is_directory and not held.is_owned(path):
            one = held.owner(path)
            group = f"{one.name} {one.version}" if one else _group(path)
            groups.setdefault(group, []).append(f"/{path}")
    return groups


def _group(path: str) -> str:
    if path.startswith("app/"):
        return "code"
    return "environment" if path.startswith("opt/venv/") else "system"


def _line(held: Contents) -> str:
    megabytes = sum(layer.size for layer in held.layers) / 1e6
    unpacked = sum(file.size for layer in held.layers for file in layer.files) / 1e6
    code = len(outside_os(held).get("code", []))
    return (
        f"{held.platform}: {len(held.layers)} layers, {megabytes:.0f} MB compressed, {unpacked:.0f} MB unpacked; "
        f"{len(held.packages)} packages of the distribution, {len(held.distributions)} Python distributions, "
        f"{code} files of code"
    )


def _rules(runnable: RunnableDir, load: config.Loader) -> Rules:
    own = image_layers(runnable, load)
    pinned = {pin for one in own for pin in pins(lock.requirements(one.path, ("main",)).read_text())}
    return Rules(
        pins=frozenset(pinned | {(name, "") for one in own for name in _projects(one)}),
        system_packages=frozenset(name for one in own for name in one.settings.system_packages),
        tests=tuple(name for one in own for name in one.settings.tests),
        allows=tuple(pattern for one in own for pattern in one.settings.prod_allows),
        published=_published(own[-1]),
    )


def _projects(runnable: RunnableDir) -> Iterator[str]:
    """Yield the names of the distributions that an image of prod holds for a directory and its siblings."""
    beside = [one.path for one in siblings_in_prod(runnable)]
    for path in [*beside, *([runnable.path] if runnable.build else [])]:
        if name := read_manifest(path).name:
            yield normal_name(name.value)


def _published(lowest: RunnableDir) -> frozenset[str]:
    """Return the diff ids of the layers of the judged base that `lowest` records; none where nobody knows them."""
    recorded = config.read_base_lock(lowest)
    if not recorded or not _was_judged(recorded):
        return frozenset()
    try:
        return newest.layers_of(recorded)
    except InfrastructureError as error:
        say(f"which layers are those of {recorded.name} is not known, so all are judged: {error.what}")
        return frozenset()


def _was_judged(recorded: BaseLock) -> bool:
    """Say whether a base is the `prod` of a published one, or a release to prod: neither gets its tag unjudged."""
    is_release = recorded.tag == Stage.PROD.value or Stage.PROD.version_of(recorded.tag) is not None
    return bool(recorded.prod or (recorded.inputs and is_release))


def _secrets(held: Contents, layer: Layer, free: Iterable[File]) -> Iterator[Finding]:
    for file in free:
        if part := forbidden_part(file.path):
            yield Finding(layer.digest, f"/{part[0]}", part[1])
    for path, digest in layer.secrets.items():
        # A distribution's own test data is public; its hash says that it is what the distribution brought.
        one = held.owner(path)
        if not held.is_owned(path) and not (one and one.files.get(path, digest) == digest):
            yield Finding(layer.digest, f"/{path}", "a private key")


def _leftovers(layer: Layer, free: Iterable[File], rules: Rules) -> Iterator[Finding]:
    for file in free:
        parts = file.path.split("/")
        if file.is_file and _CACHES.fullmatch(file.path):
            yield Finding(layer.digest, f"/{file.path}", "a cache, or left over from the build")
        elif parts[-1] == "conftest.py" or (parts[0] == "app" and _is_below(parts[2:], rules.tests)):
            yield Finding(layer.digest, f"/{file.path}", "tests")


def _is_below(parts: Sequence[str], names: Iterable[str]) -> bool:
    wanted = [name.strip("/").split("/") for name in names]
    return any(list(parts[: len(one)]) == one for one in wanted)


def _links(layer: Layer) -> Iterator[Finding]:
    for file in layer.files:
        if file.is_link and file.path.startswith("app/"):
            # Only a symbolic link is read from where it stands.
            start = posixpath.dirname(f"/{file.path}") if file.type == "2" else "/"
            target = posixpath.normpath(posixpath.join(start, file.link))
            if not target.startswith("/app/"):
                yield Finding(layer.digest, f"/{file.path}", f"a link out of /app, to {target}")


def _setuid(layer: Layer, free: Iterable[File]) -> Iterator[Finding]:
    for file in free:
        if file.is_file and file.mode & (_SETUID | _SETGID):
            yield Finding(
                layer.digest, f"/{file.path}", "runs with the rights of its owner (setuid), and no package owns it"
            )


def _unpinned(held: Contents, layer: Layer, rules: Rules) -> Iterator[Finding]:
    own = {one.path for one in layer.distributions}
    for one in held.distributions:
        name = normal_name(one.name)
        if one.path in own and not {(name, one.version), (name, "")} & rules.pins:
            why = f"{one.name} {one.version} is not what the lock pins for the main dependencies"
            yield Finding(layer.digest, f"/{one.path}", why)


def _tools(held: Contents, rules: Rules) -> Iterator[Finding]:
    published, own = held.split(rules.published)
    asked = rules.system_packages | {package.name for layer in published for package in layer.packages}
    for layer in own:
        for package in layer.packages:
            if _BUILD_TOOLS.fullmatch(package.name) and package.name not in asked:
                why = "a build tool that `system_packages` does not name"
                yield Finding(_first_with(held, package.name), f"package {package.name}", why)
        for file in layer.files:
            directory, name = posixpath.split(file.path)
            loose = not held.is_owned(file.path) and not held.owner(file.path)
            if loose and directory.endswith("bin") and not file.is_directory and _PROGRAMS.fullmatch(name):
                yield Finding(layer.digest, f"/{file.path}", "a build tool")


def _first_with(held: Contents, package: str) -> str:
    """Return the lowest layer in which a package of the distribution is installed."""
    return next(layer.digest for layer in held.layers if any(one.name == package for one in layer.packages))


def _configuration(layout: Path, held: Contents) -> Iterator[Finding]:
    """Yield what is wrong with how a container of the image is started."""
    config = files.config(layout, held.image).get("config", {})
    if str(config.get("User", "")).partition(":")[0] in ("", "0", "root"):
        yield Finding(held.image.digest, "USER", "it runs as root")
    if not (config.get("Entrypoint") or config.get("Cmd")):
        yield Finding(held.image.digest, "ENTRYPOINT", "`docker run` alone starts nothing")


def _named_secrets(layout: Path, held: Contents, allows: Sequence[str]) -> Iterator[Finding]:
    """Yield the secrets in the variables, labels and history of an image."""
    about = files.config(layout, held.image)
    config = about.get("config", {})
    variables = [item.partition("=")[::2] for item in config.get("Env") or []]
    named = [("ENV", *pair) for pair in variables] + [("LABEL", *pair) for pair in (config.get("Labels") or {}).items()]
    found = {f"{kind} {name}": why for kind, name, value in named if (why := why_secret(name, str(value)))}
    for step in about.get("history") or []:
        for _, what, why in secrets_of(str(step.get("created_by", ""))):
            found.setdefault(what, why)
    for what, why in found.items():
        if not any(fnmatchcase(what, pattern) for pattern in allows):
            yield Finding(held.image.digest, what, why)
