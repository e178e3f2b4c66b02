"""Where a dependency comes from, if not from an index: a path, a repository or an archive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.manifest import requirement
from helpers.manifest.requirement import Requirement
from helpers.manifest.table import Table
from helpers.model.manifest import PathDependency, Stated

# hatch (https://hatch.pypa.io/latest/config/context/) and pdm name the project's own directory in a URL.
_OWN = re.compile(r"^(?:file:/*)?(?:\{root((?::parent){0,20})(?::uri|:real)?\}|\$\{(PROJECT_ROOT)\})/?")
# scp's form of an address, as in `git@host:team/repo.git`.
_SCP = re.compile(r"([\w.+-]+@[\w.-]+):(?!/)(.+)", re.ASCII)
ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass(frozen=True)
class Source:
    """The place that a tool's table names for a dependency.

    Arguments:
        place: of the table, for a message.
        path: relative to the project; empty for a URL.
        url: direct reference of PEP 508.
        marker: the condition under which the source counts.
        group, extra: the only group or extra that the source counts for; empty for all.
        is_member: whether the source is a member of a workspace, which exists only if there is a path.
    """

    place: str
    path: str = ""
    url: str = ""
    marker: str = ""
    group: str = ""
    extra: str = ""
    is_member: bool = False

    def counts(self, group: str, extra: str) -> bool:
        """Return whether the source counts for requirements of a group or an extra."""
        return self.group in ("", group) and self.extra in ("", extra)


Sources = Mapping[str, Sequence[Source]]


@dataclass(frozen=True)
class Sorted:
    """Requirements, and the dependencies on paths among them."""

    requirements: tuple[Stated, ...]
    paths: tuple[PathDependency, ...]


def git_url(address: str, revision: str, directory: str) -> str:
    """Return the direct reference to a repository (https://packaging.python.org/specifications/direct-url/)."""
    scp = _SCP.fullmatch(address) if "://" not in address else None
    url = f"ssh://{scp.group(1)}/{scp.group(2)}" if scp else address
    url = url if url.startswith("git+") else f"git+{url}"
    return f"{url}{f'@{revision}' if revision else ''}{f'#subdirectory={directory}' if directory else ''}"


def of_table(table: Table) -> Source | None:
    """Return the source that a table of poetry or uv names by `git`, `url` or `path`; None for an index."""
    place = f"{table.file.name} [{table.name}]"
    if git := table.text("git"):
        revision = next(filter(None, (table.text(key) for key in ("rev", "tag", "branch"))), "")
        return Source(place, url=git_url(git, revision, table.text("subdirectory")))
    if url := table.text("url"):
        return Source(place, url=url)
    if path := table.text("path"):
        return Source(place, path=path)
    return None


def path_of(url: str) -> str:
    """Return the path that a URL or a line of a requirements file names; empty for a remote URL."""
    if own := _OWN.match(url):
        return "../" * (own.group(1) or "").count("parent") + unquote(url[own.end() :]) or "."
    if url.startswith("file:"):
        rest = unquote(url.removeprefix("file:").partition("#")[0])
        return re.sub(r"^//(?:localhost)?(?=/)", "", rest) if rest.startswith("//") else rest
    return url if url.startswith(("./", "../", "/")) or url.partition("[")[0] in (".", "..") else ""


def sort(stated: Iterable[Stated], sources: Sources, *, group: str = "", extra: str = "") -> Sorted:
    """Return requirements with the sources that the project's tools name for them.

    Arguments:
        stated: requirements as written.
        sources: by normalised name.
        group, extra: where the requirements belong.

    Raises:
        ConfigError: an item is no requirement.
    """
    requirements: list[Stated] = []
    paths: list[PathDependency] = []
    for item in stated:
        parsed = parse(item)
        found = [one for one in sources.get(parsed.key, ()) if one.counts(group, extra)] if not parsed.url else []
        for source in (*found, *_rest(found, parsed, item)):
            one = parsed.when(source.marker)
            if source.path:
                paths.append(PathDependency(one.name, source.path, one.extras, source.place, group, extra, one.marker))
            elif source.url:
                requirements.append(Stated(str(replace(one, url=source.url, specifier="")), source.place))
            elif source.is_member:
                why = "a package of this name on an index may belong to somebody else"
                raise ConfigError(f"the workspace has no member {excerpt(parsed.name)}", where=source.place, why=why)
            else:
                requirements.append(Stated(str(one), item.source))
    return Sorted(tuple(dict.fromkeys(requirements)), tuple(dict.fromkeys(paths)))


def _rest(found: Sequence[Source], parsed: Requirement, item: Stated) -> Iterator[Source]:
    """Yield the requirement as written, for the platforms that no source is for."""
    marker = ""
    for source in found:
        if not source.marker:
            return
        try:
            marker = requirement.both(marker, requirement.negated(source.marker))
        except ValueError as error:
            raise ConfigError(f"the source of {excerpt(parsed.name)} {error}", where=source.place) from None
    yield Source(item.source, path=path_of(parsed.url), marker=marker)


def parse(item: Stated) -> Requirement:
    """Return the parts of a requirement of a file.

    Raises:
        ConfigError: the item is no requirement.
    """
    try:
        return requirement.parse(item.value)
    except ValueError as error:
        why = "https://packaging.python.org/specifications/dependency-specifiers/ has the form"
        raise ConfigError(f"{excerpt(item.value)} {error}", where=item.source, why=why) from None
