"""Runs poetry on copies of a project's two files, for any Python, installed or not.

Runs inside poetry's own tool environment and imports nothing of ours. Poetry loads no plugin, no `poetry.toml` and no
build backend of the project, and starts no program but git and ssh. In a container of ours, where HELPERS_BACKENDS_RUN
is set, build backends run.

usage: python poetry_for_python.py MAJOR.MINOR HOME COPIES POETRY_ARGUMENT...
       python poetry_for_python.py < REQUEST

HOME is the project's directory; COPIES is a directory with copies of its pyproject.toml and poetry.lock. Relative
paths in the copies count from HOME. REQUEST is JSON, a list of pairs of a file and of arguments as above. Poetry
starts once for all pairs, and each successful command leaves its output in its file.

COPIES may hold constraints.json, an object of names of packages, each with a list of the versions that fit and of the
place that decides so. The object limits a lock as a constraints file of pip does.

The last line of standard error is JSON after exit code 3, a dependency needs its build backend, and after exit code 4,
no version of some packages fits constraints.json.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import poetry.factory
import poetry.inspection.info
import poetry.utils.isolated_build
import poetry.vcs.git.backend
from poetry.console.application import main
from poetry.core.constraints.version import parse_constraint
from poetry.core.factory import Factory
from poetry.packages.locker import Locker
from poetry.packages.package_collection import PackageCollection
from poetry.plugins.plugin_manager import PluginManager
from poetry.puzzle.provider import Provider
from poetry.utils.env import EnvManager, MockEnv

NEEDS_BACKEND = 3
CONFLICT = 4
CONSTRAINTS = "constraints.json"
# Set in a container of ours, where a build backend may run.
BACKENDS_RUN = "HELPERS_BACKENDS_RUN"
# Poetry fetches a git dependency by itself; an address of the form ssh: needs ssh, a user's setting may ask for git.
_PROGRAMS = ("ssh", "git")
# The user's ssh with its options, which dulwich takes from its caller only.
_SSH = os.environ.get("GIT_SSH_COMMAND", "")
# A project's license and readme lie in files, and no lock holds them.
_NAMES_OF_FILES = ("license", "license-files", "readme")
_Table = dict[str, Any]


class NeedsBackendError(BaseException):
    """A dependency needs its build backend for its metadata; poetry must not catch this error."""

    def __init__(self, source: Path) -> None:
        super().__init__(str(source))
        self.source = source


class _NoFile:
    """Replaces `poetry.toml`, because a checkout must not change poetry's configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return False


def isolate() -> None:
    """Keep poetry from code and configuration of a project."""
    PluginManager.add_project_plugin_path = staticmethod(lambda directory: None)
    PluginManager.ensure_project_plugins = classmethod(lambda cls, *_: None)
    poetry.factory.TOMLFile = _NoFile
    metadata = Factory._configure_package_metadata.__func__

    def no_files(cls: type, package: object, project: _Table, tool_poetry: _Table, root: Path) -> None:
        tables = ({key: table[key] for key in table if key not in _NAMES_OF_FILES} for table in (project, tool_poetry))
        metadata(cls, package, *tables, root)

    Factory._configure_package_metadata = classmethod(no_files)
    if _SSH:
        backend = poetry.vcs.git.backend
        backend.get_transport_and_path = partial(backend.get_transport_and_path, ssh_command=_SSH)
    if os.environ.get(BACKENDS_RUN):
        _build_copies()
        return
    for module in (poetry.inspection.info, poetry.utils.isolated_build):
        module.isolated_builder = _refuse
    sys.addaudithook(_start_no_program)


def _refuse(source: Path, *_: Any, **__: Any) -> NoReturn:
    raise NeedsBackendError(source)


def _build_copies() -> None:
    """Let backends write beside their sources by building copies: the sources are mounted read-only."""
    builder = poetry.inspection.info.isolated_builder

    @contextmanager
    def of_copy(source: Path, *arguments: Any, **options: Any) -> Iterator[Any]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as aside:
            copy = Path(aside, source.name)
            shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv"))
            with builder(copy, *arguments, **options) as made:
                yield made

    poetry.inspection.info.isolated_builder = of_copy


def _start_no_program(event: str, arguments: tuple[Any, ...]) -> None:
    # https://docs.python.org/3/library/audit_events.html
    if event in ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn") or (
        event == "subprocess.Popen"
        and os.path.basename(str(arguments[0])) not in _PROGRAMS
        and str(arguments[0]) not in shlex.split(_SSH)[:1]
    ):
        raise PermissionError(f"poetry starts no program here: {arguments[0]}")


def run(version: str, home: str, copies: str, *arguments: str) -> int:
    """Run poetry for the Python `version` and return its exit code."""
    major, minor = (int(part) for part in version.split("."))
    copies = os.path.realpath(copies)
    # Poetry uses the environment only for the Python of a project, and as a parent of clones of git dependencies.
    environment = MockEnv(version_info=(major, minor, 0, "final", 0), is_venv=True, path=Path(copies, "environment"))
    EnvManager.create_venv = lambda self, *args, **kwargs: environment
    sys.argv[1:] = ["--directory", copies, "--no-ansi", *arguments]
    file = Path(copies, CONSTRAINTS)
    conflicts = _constrain(json.loads(file.read_text("utf-8"))) if file.exists() else {}
    try:
        with _standing_for(Path(home), Path(copies)):
            code = int(main())
    except SystemExit as end:
        code = int(end.code or 0)
    except NeedsBackendError as needed:
        print(json.dumps({"needs_backend": str(needed.source)}), file=sys.stderr)
        return NEEDS_BACKEND
    if code and conflicts:
        print(json.dumps({"conflicts": conflicts}), file=sys.stderr)
        return CONFLICT
    return code


def _constrain(wanted: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Offer poetry only versions that fit constraints; return the dependencies that none fits, as they are found."""
    limits = {name: parse_constraint(versions) for name, (versions, _) in wanted.items()}
    conflicts: dict[str, str] = {}
    search, locked = Provider.search_for, Provider.get_locked

    def fits(found: Any) -> bool:
        limit = limits.get(found.package.name)
        return found.package.is_direct_origin() or limit is None or limit.allows(found.package.version)

    def searched(self: Provider, dependency: Any) -> Any:
        found = search(self, dependency)
        kept = [one for one in found if fits(one)]
        if found and not kept:
            conflicts[dependency.name] = f"{dependency.to_pep_508()}, and {wanted[dependency.name][1]}"
        return PackageCollection(dependency, kept)

    def kept_locked(self: Provider, dependency: Any) -> Any:
        found = locked(self, dependency)
        return found if found is not None and fits(found) else None

    Provider.search_for, Provider.get_locked = searched, kept_locked
    return conflicts


@contextmanager
def _standing_for(home: Path, copies: Path) -> Iterator[None]:
    """Let relative paths of the project in `copies` count from `home`."""

    # Poetry takes the directory of the lock for the project's directory.
    at_home: Any = type("Lock", (type(Path()),), {"parent": home})
    configure, lock = Factory.configure_package.__func__, Locker.lock

    def configured(cls: type, package: object, pyproject: object, root: Path, *args: Any, **options: Any) -> None:
        configure(cls, package, pyproject, home if root.resolve() == copies else root, *args, **options)

    def found(self: Locker) -> Any:
        return at_home(self._lock) if self._lock.parent.resolve() == copies else self._lock

    Factory.configure_package, Locker.lock = classmethod(configured), property(found)
    try:
        yield
    finally:
        Factory.configure_package, Locker.lock = classmethod(configure), lock


def run_into(file: Path, *arguments: str) -> None:
    """Run poetry as `run` does and leave its output in `file`, unless poetry fails; readers see only the whole file."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()):
        code = run(*arguments)
    if code == 0:
        aside = file.with_name(f".{file.name}-{os.getpid()}")
        aside.write_text(said.getvalue(), encoding="utf-8")
        aside.chmod(0o644)
        os.replace(aside, file)


if __name__ == "__main__":
    isolate()
    if len(sys.argv) > 1:
        sys.exit(run(*sys.argv[1:]))
    for name, command in json.load(sys.stdin):
        run_into(Path(name), *command)
