"""Locks dependencies with poetry, and exports a lock of any kind as pinned requirements with hashes."""

from __future__ import annotations

import os
import re
import shlex
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from helpers import checkout_file, config, host, index_refusal, proc, pyproject
from helpers.console import counted
from helpers.errors import ConfigError, HelpersError, InfrastructureError, UsageError
from helpers.images import (
    derived_project,
    dirs_below,
    lock_match,
    lock_source,
    package_indexes,
    published_packages,
    sibling_lines,
    uv_export,
)
from helpers.images import isolated_poetry as poetry
from helpers.images.lock_source import LockSource
from helpers.images.pdm_closure import annotated
from helpers.images.tool_environment import lock_of
from helpers.manifest import read as manifest
from helpers.manifest import target
from helpers.manifest.source import parse
from helpers.model import git_url, pdm_lock, pylock
from helpers.model.lock_kind import LockKind
from helpers.model.pinned_line import MAIN, Selection, pins
from helpers.model.poetry_lock import Pinned, normal_name, pinned
from helpers.model.python_specifier import lowest_minor
from helpers.model.settings_file import spelled
from helpers.storage import cache_dir, digest, write_once
from helpers.thin_env import slow_steps

_MOST_CONFLICTS = 3
# Counted up when an export of an older version of this toolchain must not be used any more.
_FORMAT = "2"
_NOT_THERE = re.compile(r"Group\(s\) not found: (\S+) \(via|Extra \[([^\]]*)\] is not specified")
_BAD_PATH = re.compile(r'invalid URL "file:([^"]*)"')
# The words of ssh, git and poetry about a repository that is not given.
_NOT_CLONED = ("Permission denied (", "Host key verification", "Could not read from remote", "Failed to clone")
_REPOSITORY = re.compile(
    r"""(?:git\+|\bgit *= *")((?:https|ssh)://(?:[^\s"'/@]+@)?[^\s"'@#;]+|[\w.-]+@[\w.-]+:[^\s"'@#;]+)"""
)
# Poetry's own words when a lock does not match its project.
_STALE = ("changed significantly", "not up to date", "lock file does not exist")


def lock(
    path: Path, named: Path | None = None, *, upgrade: Sequence[str] = (), days: int = 0, no_yanked: bool = False
) -> bool:
    """Write `poetry.lock` of the runnable dir at `path`, for all platforms and the directory's Python.

    What is locked stays as it is where `pyproject.toml` allows it.

    Arguments:
        path: the directory.
        named: the directory in messages, if `path` is only the place where it is made.
        upgrade: packages of the lock that move to their newest version that fits.
        days: how old every file of the lock must be; 0 is any age.
        no_yanked: refuse a lock with a release that its index has withdrawn.

    Returns:
        Whether the file changed.

    Raises:
        ConfigError: poetry finds no solution, or `pyproject.toml` is wrong.
        UsageError: a package to upgrade is not in the lock.
        PolicyError: a file is too young, or a release withdrawn; the lock is then as it was before.
    """
    source = lock_source.to_write(path)
    file = source.file
    before = checkout_file.read_text_if_there(file)
    if upgrade:
        _check_names(path, upgrade)
    with _shown("locking", named or path, 20.0):
        after = _poetry(source, ["update", "--lock", "--", *upgrade] if upgrade else ["lock"])
        found = pinned(config.parse_toml(after, file))
        lock_source.check_repositories(found, file)
        packages = package_indexes.with_logins(source, found)
        _check_index(packages, file, days, no_yanked=no_yanked)
    if after == before:
        return False
    checkout_file.write(file, after.encode())
    return True


def check(path: Path, days: int = 0, *, no_yanked: bool = False) -> None:
    """Return when the lock of the runnable dir at `path` is that of its `pyproject.toml`; asks nobody about that.

    Arguments:
        path: the directory.
        days: how old every file of the lock must be, which its package index is asked; 0 is any age.
        no_yanked: refuse a release that its index, which is asked, has withdrawn.

    Raises:
        StaleError: they disagree, or there is no lock.
        PolicyError: a file is too young, or a release withdrawn.
    """
    requirements(path)
    source = lock_source.of(path)
    packages = package_indexes.with_logins(source, source.pins()) if days or no_yanked else ()
    _check_index(packages, source.file, days, no_yanked=no_yanked)


def tell_yanked(path: Path) -> None:
    """Print a note for each withdrawn release in the lock of the runnable dir at `path`."""
    from helpers.images import yanked  # only this needs a client of the index

    source = lock_source.of(path)
    yanked.tell(source.pins(), source.file, source.text())


def tell_remembered(path: Path) -> None:
    """Print the last findings of `tell_yanked` about the lock of the runnable dir at `path`, without an index."""
    from helpers.images import yanked  # as above

    with suppress(ConfigError):
        source = lock_source.of(path)
        yanked.tell_remembered(source.file, source.text())


def _check_index(packages: Sequence[Pinned], file: Path, days: int, *, no_yanked: bool) -> None:
    if days:
        from helpers.images.uploads import refuse_younger  # only this needs a client of the index

        refuse_younger(packages, days, file)
    if no_yanked:
        from helpers.images import yanked  # as above

        yanked.refuse(packages, file)


def _check_names(path: Path, upgrade: Sequence[str]) -> None:
    known = sorted({package.name for package in lock_source.pins(path)})
    for name in upgrade:
        if normal_name(name) not in known:
            import difflib  # only a mistake needs it

            near = difflib.get_close_matches(normal_name(name), known, n=1)
            raise UsageError(
                f"--upgrade {name!r} is not in its lock",
                where=lock_source.to_write(path).file,
                fix=f"did you mean {near[0]!r}?" if near else "add it to pyproject.toml, then: invoke docker_lock",
            )


def requirements(path: Path, groups: Sequence[str] = ()) -> Path:
    """Return a file with what the lock of the runnable dir at `path` pins, hashes included.

    Arguments:
        path: the directory.
        groups: only what these groups of dependencies need; `main` is that of a plain installation. Empty is what the
            directory's settings choose for development.

    Raises:
        ConfigError: there is no lock, or it does not match the manifest.
    """
    source = lock_source.of(path)
    chosen = _selection(source, groups)
    file = _exported(source, chosen)
    if file.exists():
        return file
    with _shown("exporting the lock of", path, 3.0):
        return write_once(file, _export(source, chosen))


def _selection(source: LockSource, groups: Sequence[str]) -> Selection:
    settings = config.settings_of(source.directory)
    if groups:
        return Selection(tuple(groups))
    # A derived project holds the chosen groups only, under names that poetry allows, and the group with pytest.
    chosen = tuple(dict.fromkeys((MAIN, *settings.groups))) if settings.groups and not source.is_derived else None
    return Selection(chosen, settings.extras)


def export_all(wanted: Iterable[tuple[Path, Sequence[str]]]) -> None:
    """Export locks by one start of poetry, so that `requirements` finds them; what goes wrong is said by that.

    Arguments:
        wanted: directories, each with what `requirements` is given for it.
    """
    with suppress(HelpersError), ExitStack() as stack:
        request = {}
        for path, groups in wanted:
            with suppress(HelpersError):
                source = lock_source.of(path)
                chosen = _selection(source, groups)
                file = _exported(source, chosen)
                if source.kind is LockKind.POETRY and not file.exists() and not sibling_lines.are_in(source):
                    copies = stack.enter_context(poetry.copies(source))
                    request[str(file)] = poetry.words(source, copies, _words(chosen))
        if request:
            (cache_dir() / "requirements").mkdir(parents=True, exist_ok=True)
            with slow_steps.shown(f"exporting {counted(len(request), 'lock')}", usual=2.0 + len(request)):
                poetry.run_all(list(request.items()))


def _shown(doing: str, path: Path, usual: float) -> AbstractContextManager[None]:
    return slow_steps.shown(f"{doing} {os.path.relpath(path)}", key=f"{doing} {path}", usual=usual)


def _exported(source: LockSource, chosen: Selection) -> Path:
    # The manifest is a part of the key because the export is also the check that lock and manifest agree.
    tool = lock_of("poetry").read_bytes() if source.kind is LockKind.POETRY else source.kind.name
    if source.kind is LockKind.UV:
        stated = "".join(map(config.read_text, uv_export.manifests(source)))
    else:
        stated = source.manifest()
    parts = (_FORMAT, source.text(), stated, tool, _compared(source))
    names = [*(chosen.groups or ()), *(f"[{name}]" for name in chosen.extras)]
    key = digest(*parts, ",".join(names)) if names else digest(*parts)
    return cache_dir() / "requirements" / f"{key}.txt"


def _compared(source: LockSource) -> str:
    """Return the requirements that the lock is compared with: also those of a `setup.cfg` or of other files."""
    if source.kind is LockKind.POETRY and not sibling_lines.are_in(source):
        return ""  # poetry compares with the text of the project
    try:
        if source.kind is LockKind.POETRY:
            # A sibling that names a project no longer makes the line of that project wrong.
            return repr(sorted(os.path.relpath(place, source.directory) for place in sibling_lines.places(source)))
        return repr(manifest.read(source.directory))
    except ConfigError as error:
        return str(error)


def _export(source: LockSource, chosen: Selection) -> str:
    if source.kind is LockKind.POETRY:
        source.parsed()
        return sibling_lines.without(_poetry(source, _words(chosen)), source)
    if source.kind is LockKind.UV:
        found, is_compared = uv_export.export(source, chosen)
    elif source.kind is LockKind.PDM:
        project, is_compared = pyproject.read_if_there(source.directory), True
        if source.read(lambda data: pdm_lock.is_stale(data, project)):
            raise source.stale()
        found = source.read(lambda data: _of_pdm(source, data, chosen))
    else:
        is_compared = False
        found = source.text()
        if source.kind is LockKind.PYLOCK:
            found = source.read(lambda data: pylock.export(data, chosen))
    if not is_compared:
        lock_match.check(source, chosen)
    return found


def _of_pdm(source: LockSource, data: Mapping[str, Any], chosen: Selection) -> str:
    known = manifest.read(source.directory)
    if not pdm_lock.has_groups(data):
        data = annotated(data, known, sorted(pdm_lock.groups_of(data, chosen, known.extras)))
    return pdm_lock.export(data, chosen, known.extras)


def _words(chosen: Selection) -> list[str]:
    groups = ["--all-groups"] if chosen.groups is None else ["--only", ",".join(chosen.groups)]
    extras = ["--extras", " ".join(chosen.extras)] if chosen.extras else []
    return ["export", *groups, *extras, "--format", "requirements.txt"]


def _poetry(source: LockSource, arguments: Sequence[str]) -> str:
    """Return poetry's export, or poetry's lock, of a project."""
    path = source.directory
    online = arguments[0] != "export"
    with poetry.copies(source, _constraints(source) if online else None) as copies:
        done = poetry.run(source, copies, arguments, online=online)
        if backend := poetry.needed_backend(done, copies):
            from helpers.images import lock_container  # most locks do without an engine

            done = lock_container.run(source, copies, poetry.words(source, copies, arguments), backend)
        if done.code == 0:
            return poetry.written(copies) if online else done.stdout
        if found := poetry.conflicts(done):
            lines = "; ".join(f"{name}: {why}" for name, why in list(found.items())[:_MOST_CONFLICTS])
            fix = "widen the requirement, or move the package below: invoke docker_lock --dir BASE --upgrade NAME"
            raise ConfigError(
                f"no version fits what the project and the image below need: {lines}", where=path, fix=fix
            )
        _explain(source, arguments[0], done, os.path.realpath(copies))


def _constraints(source: LockSource) -> poetry.Constraints:
    """Return the limits of a new lock: the versions in the images below, and the limits of the owner's tools."""
    limits: dict[str, tuple[str, str]] = {}
    if source.is_derived:
        limits |= _stated_limits(source)
    if recorded := dirs_below.recorded_base(source.directory):
        for name, version in published_packages.of(recorded).items():
            limits[name] = (f"=={version}", f"{recorded.name} below it has {version}")
    for below in dirs_below.of(source.directory):
        versions: dict[str, list[str]] = {}
        for name, version in pins(requirements(below).read_text()):
            versions.setdefault(name, []).extend([version] if version else [])
        for name, there in versions.items():
            if there:
                where = f"{os.path.relpath(below, source.directory)} below it has {', '.join(there)}"
                limits[name] = (" || ".join(f"=={one}" for one in there), where)
    return limits


def _stated_limits(source: LockSource) -> dict[str, tuple[str, str]]:
    limits: dict[str, tuple[str, str]] = {}
    environment = target.environment(lowest_minor(derived_project.requires_python(source.directory)))
    for stated in manifest.read(source.directory).constraints:
        wanted = parse(stated)
        # The images are of Linux, and poetry has no constraints with a condition.
        if wanted.specifier and target.is_true(wanted.marker, environment, stated):
            before, why = limits.get(wanted.key, ("", ""))
            whole = ",".join(filter(None, (before, wanted.specifier)))
            limits[wanted.key] = (whole, ", ".join(filter(None, (why, f"{stated.source} has {stated.value}"))))
    return limits


def _explain(source: LockSource, command: str, done: proc.Completed, copies: str) -> NoReturn:
    path = source.directory
    if refused := index_refusal.of_poetry(done.stderr, package_indexes.named(source), path / "pyproject.toml"):
        raise refused
    said = "\n".join(line for line in (done.stderr or done.stdout).splitlines() if line.strip())
    # Where the index is, and with which password, is nobody's business who reads a log.
    said = (
        said.replace(copies, str(path)).replace(host.pip_index(), "INDEX").replace(_host_of(host.pip_index()), "INDEX")
    )
    said = git_url.masked(said)
    if any(text in said for text in _STALE):
        raise source.stale()
    if any(text in said for text in ("Connection", "ConnectTimeout", "Max retries", "All attempts to connect")):
        raise InfrastructureError(f"the package index gave no answer: {said.splitlines()[-1]}", fix="invoke doctor")
    if any(text in said for text in _NOT_CLONED):
        # Without an account of the manifest; of ssh the account is a part of the address.
        urls = sorted({re.sub(r"^(https?://)[^/@]+@", r"\1", url) for url in _REPOSITORY.findall(source.manifest())})
        raise InfrastructureError(
            f"a git dependency cannot be fetched: {said.splitlines()[-1]}",
            where=path / "pyproject.toml",
            fix="; ".join(f"git ls-remote {shlex.quote(url)}" for url in urls) + "  (must work without a question)",
        )
    if missing := _NOT_THERE.search(said):
        where, key = pyproject.settings_file(path), "groups" if missing[1] else "extras"
        what = f"{spelled(key, where)}: the project has no {(missing[1] or missing[2])!r}"
        raise ConfigError(what, where=where, fix="choose from the groups and extras of the project")
    if bad := _BAD_PATH.search(said):
        table = f'NAME = {{ path = "{bad[1]}", develop = true }}'
        fix = f"write [tool.poetry.dependencies] {table}, and NAME alone in [project] dependencies"
        raise ConfigError(f"poetry reads no relative path in file:{bad[1]}", where=path / "pyproject.toml", fix=fix)
    raise ConfigError(f"poetry {command} failed: {said[-600:]}", where=path / "pyproject.toml")


def _host_of(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url
