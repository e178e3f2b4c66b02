"""`devcontainer.json` of runnable dirs, by which editors open each in its own image (https://containers.dev)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from helpers import checkout_file, config, discover, selection, toolchain_path
from helpers.console import printable, report_error, say
from helpers.containers import editor
from helpers.engine import argv
from helpers.errors import OK, ConfigError, HelpersError, worst
from helpers.generate.writing import Generated, bring
from helpers.model.runnable import RunnableDir, flat_name
from helpers.repos.shared_files import super_repo

FOLDER = ".devcontainer"
MARK = "// Made by `invoke devcontainer_generate`"
_HEAD = f"{MARK}: an edit in here is lost at its next call.\n"
# An editor puts the root of the checkout here, whoever's it is.
_ROOT = "${localWorkspaceFolder}"
_OWN_PYTHON = "/opt/venv/bin/python"


def path_of(name: str) -> str:
    """Return where the file of the runnable dir `name` belongs; the root has the one that editors look for first."""
    return f"{FOLDER}/devcontainer.json" if name == "." else f"{FOLDER}/{flat_name(name)}/devcontainer.json"


def generated(runnable: RunnableDir, package: str) -> Generated:
    """Return the file by which editors open a runnable dir.

    Arguments:
        runnable: the directory.
        package: path of the package `helpers`, relative to the root of the repo.

    Raises:
        ConfigError: an editor would take a part of its path, or of a value in its `env`, for a variable.
    """
    if "${" in runnable.name:
        raise ConfigError(
            "no editor can open a directory with ${ in its path", where=runnable.path, fix="give it another name"
        )
    texts = {f"the value of {name}": value for name, value in runnable.settings.values.items()}
    for what, text in {**texts, "env_file": runnable.settings.env_file}.items():
        if "${" in text:
            fault = f"an editor takes the ${{ in {what} for a variable"
            raise ConfigError(fault, where=runnable.settings_file, fix="write it without ${")
    text = json.dumps(_content(runnable, package), indent=2, ensure_ascii=False)
    return Generated(path_of(runnable.name), f"{_HEAD}{text}\n", MARK)


def _content(runnable: RunnableDir, package: str) -> dict[str, Any]:
    spec = editor.container(runnable)
    start = ["python3", f"{package}/thin_env/bootstrap.py", "invoke", "devcontainer_build", f"--dir={runnable.name}"]
    programs = {name: f"{_ROOT}/{package}/inside/{program.name}" for name, program in spec.programs.items()}
    return {
        "name": f"{runnable.changelog.name} ({runnable.name})",
        "image": spec.image,
        # On the host, before the container: it builds the image, with the user in it.
        "initializeCommand": start,
        "workspaceMount": argv.editor_mount(_ROOT, _ROOT),
        "workspaceFolder": _in_root(runnable.path, runnable.root),
        "mounts": [argv.editor_mount(source, name, read_only=True) for name, source in programs.items()],
        "runArgs": [*argv.editor_options(spec), *_variables(runnable)],
        "containerEnv": {
            **{
                name: _in_root_each(value, runnable.root)
                for name, value in spec.env.items()
                if name not in editor.PERSONAL
            },
            **spec.values,
        },
        "updateRemoteUserUID": False,
        "customizations": {"vscode": _vscode(runnable)},
    }


def _variables(runnable: RunnableDir) -> list[str]:
    """Return the options by which the client reads the file of variables: its values stand in no other file."""
    if not runnable.settings.env_file:
        return []
    path = Path(os.path.normpath(runnable.path / runnable.settings.env_file))
    return ["--env-file", _in_root(path, runnable.root)]


def _vscode(runnable: RunnableDir) -> dict[str, Any]:
    own = runnable.path / "devops" / "Dockerfile"
    settings = {} if own.exists() else {"python.defaultInterpreterPath": _OWN_PYTHON}
    return {"extensions": ["ms-python.python"], "settings": settings}


def _in_root(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    return _ROOT if name == "." else f"{_ROOT}/{name}"


def _in_root_each(value: str, root: Path) -> str:
    parts = value.split(os.pathsep)
    return os.pathsep.join(
        _in_root(Path(part), root) if part.startswith("/") and Path(part).is_relative_to(root) else part
        for part in parts
    )


def main(
    *,
    directory: str = "",
    check: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    cwd: Path | None = None,
) -> int:
    """Write the files of all runnable dirs of the repo around `cwd`, or of one, and return the exit code.

    A fault of one directory does not stop the others.

    Arguments:
        directory: the only one; empty for all, and then files of directories that are gone are removed.
        check: write nothing; the exit code is 1 when a file is not what would be written.
        dry_run: write nothing, and show what would be.
        overwrite: replace files of the user's; they are kept as `NAME.orig`.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no repo with helpers, or `directory` is none of its runnable dirs.
        PolicyError: a file of the user's is in the way, or a link.
        NothingSelectedError: there is no runnable dir.
    """
    here = (cwd or Path.cwd()).resolve()
    root = super_repo(here)
    every = discover.runnable_paths(root)
    paths = selection.select(root, [directory] if directory else [], here, every, only_this=bool(directory))
    files, codes = _files(root, paths)
    if not directory:
        names = [path.relative_to(root).as_posix() for path in paths]
        files += _left(root, {path_of(name) for name in names})
    if files:
        fix = f"invoke devcontainer_generate{f' --dir {directory}' if directory else ''}"
        codes.append(bring(root, files, check=check, dry_run=dry_run, overwrite=overwrite, fix=fix))
    return worst(codes)


def _files(root: Path, paths: Sequence[Path]) -> tuple[list[Generated], list[int]]:
    """Return the file of each directory whose own files are right, and an exit code for each whose are not."""
    package = toolchain_path.package(root)
    assert package is not None
    prefix = package.relative_to(root).as_posix()
    load = config.loader(root)
    files, codes = [], [OK]
    for path in paths:
        try:
            runnable = load(path)
            files.append(generated(runnable, prefix))
        except HelpersError as error:
            codes.append(report_error(error))
            continue
        if lacking := editor.unsupported(runnable):
            say(f"note: {printable(runnable.name)}: an editor's container is without {', '.join(lacking)}")
    return files, codes


def _left(root: Path, wanted: set[str]) -> Iterator[Generated]:
    """Yield the files that were made for directories which are gone."""
    for file in sorted((root / FOLDER).glob("**/devcontainer.json")):
        path = file.relative_to(root).as_posix()
        if path in wanted or file.is_symlink():
            continue
        try:
            ours = checkout_file.read(file).startswith(MARK.encode())
        except HelpersError:
            continue  # nothing that we wrote
        if ours:
            yield Generated(path, None, MARK)
