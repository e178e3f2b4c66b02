"""`invoke repo_init`: gives a repo that has helpers as `//helpers` what it needs to work with it."""

from __future__ import annotations

import difflib
import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import config, discover, repo
from helpers.console import paint, printable, say
from helpers.dirs import create, project_text
from helpers.errors import OK, PolicyError, UsageError
from helpers.model.settings import parse_settings
from helpers.repo import submodules

PACKAGE = Path(__file__).resolve().parents[1]
TEMPLATES = PACKAGE / "templates" / "super_repo"
# What a run of tests or a shell can leave in a checkout.
IGNORED = ("__pycache__/", ".pytest_cache/")
# Asks the user one question and returns the answer.
Ask = Callable[[str], str]


@dataclass(frozen=True)
class File:
    """A file of the super-repo, as it is and as it should be.

    Arguments:
        path: relative to the root.
        before: its content; None if there is none.
        after: what it should be.
        mode: permissions of a new one.
        ours: whether the file is helpers' as a whole; otherwise lines are added to the user's.
    """

    path: str
    before: str | None
    after: str
    mode: int = 0o644
    ours: bool = False

    @property
    def differs(self) -> bool:
        """Whether the user has something else where a file of helpers belongs."""
        return self.ours and self.before is not None and self.before != self.after

    @property
    def word(self) -> str:
        """What is done with it."""
        if self.before == self.after:
            return "as it is"
        if self.before is None:
            return "add"
        return "replace" if self.ours else "extend"

    def diff(self) -> Iterator[str]:
        """Yield the lines of the unified diff of a file that is there."""
        old, new = (self.before or "").splitlines(), self.after.splitlines()
        yield from difflib.unified_diff(old, new, self.path, f"{self.path} (helpers)", lineterm="")


def main(
    *,
    name: str = "",
    python: str = "",
    registry: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    cwd: Path | None = None,
    ask: Ask | None = None,
    doors: create.Doors | None = None,
) -> int:
    """Give the repo around `cwd` what it needs to work with helpers, say what was done, and return the exit code.

    Arguments:
        name: path of a first runnable dir to make, whose image gets its last part as name; empty for none.
        python: its Python, as in `3.11`; empty for the default.
        registry: where images are pushed; None where the user did not say.
        overwrite: replace files of the user where files of helpers belong.
        dry_run: say what would be done, and do nothing.
        cwd: where the command was given.
        ask: asks for what is not given and not set yet; None asks nobody.
        doors: the functions of the lock of the first runnable dir.

    Raises:
        UsageError: `cwd` is in no repo with helpers, or an argument is no good.
        PolicyError: a file of the user's is where one of helpers belongs, or a link is.
    """
    here = (cwd or Path.cwd()).resolve()
    root = _super_repo(here)
    _check(list(_shims(root)), overwrite=overwrite)
    if ask and not dry_run and registry is None and not (name or python):
        name, python, registry = _questions(root, ask)
    first = _first_dir(root, name, python)
    files = plan(root, registry)
    _show(files)
    if dry_run:
        say(f"dry run, nothing is changed{f'; it would make {first.target.relative_to(root)}' if first else ''}")
        return OK
    for file in files:
        if file.before != file.after:
            _write(root, file)
    _notes(root, files)
    code = create.carry_out(first, doors or create.Doors()) if first else OK
    if code == OK:
        there = "" if here == root else f"cd {shlex.quote(str(root))} && "
        then = "./main_pytest.py" if discover.runnable_paths(root) else "invoke dir_create NAME"
        print(f"next: {there}source dev_scripts/setenv.sh && {then}")
    return code


def plan(root: Path, registry: str | None) -> list[File]:
    """Return what `root` needs of helpers.

    Arguments:
        root: absolute path of the super-repo.
        registry: where images are pushed; None leaves what is set.

    Raises:
        ConfigError: a file of the user's can not be read, or sets something else.
        PolicyError: a link is where a file belongs.
    """
    return [*_shims(root), _gitignore(root), _settings(root, registry)]


def _super_repo(here: Path) -> Path:
    root = repo.find_root(here)
    if os.path.realpath(root / "helpers") not in (str(PACKAGE), str(PACKAGE.parent)):
        raise UsageError(
            "is not a repo whose directory helpers/ is this helpers",
            where=root,
            why=f"this one is {PACKAGE}",
            fix="cd to the repo that has it, as helpers/ in its root  (git submodule add -b helpers URL helpers)",
        )
    return root


def _questions(root: Path, ask: Ask) -> tuple[str, str, str | None]:
    """Return name, Python and registry; what is set already is not asked."""
    name, python, registry = "", "", None
    try:
        if not discover.runnable_paths(root):
            name = ask("First runnable dir, such as runnable_dirs/forecast; its image gets its name (empty: none): ")
            if name:
                python = ask("Its Python (empty: 3.11): ").strip()
        if "registry" not in _table(root):
            registry = ask("Registry that images are pushed to, as HOST[:PORT][/PATH] (empty: none): ").strip()
    except EOFError:
        raise UsageError("no answer; nothing is changed", fix="give the answers as options: --help") from None
    return name.strip(), python, registry


def _first_dir(root: Path, name: str, python: str) -> create.NewDir | None:
    if python and not name:
        raise UsageError("--python is that of a first runnable dir", fix="give it a --name")
    if name and discover.is_runnable(root / name):
        say(f"{printable(name)} is a runnable dir already")
        return None
    return create.examine(name, python=python, cwd=root) if name else None


def _shims(root: Path) -> Iterator[File]:
    for template in sorted(file for file in TEMPLATES.rglob("*") if file.is_file() and file.suffix != ".pyc"):
        path = template.relative_to(TEMPLATES).as_posix()
        before, after = _read(root, path), config.read_text(template)
        if before and before.startswith(after):
            after = before  # with something of the user's below, such as tasks of his own
        yield File(path, before, after, stat.S_IMODE(template.stat().st_mode), ours=True)


def _gitignore(root: Path) -> File:
    before = _read(root, ".gitignore")
    there = {line.strip().strip("/") for line in (before or "").splitlines()}
    missing = [line for line in IGNORED if line.strip("/") not in there]
    return File(".gitignore", before, _ended(before) + "".join(f"{line}\n" for line in missing))


def _settings(root: Path, registry: str | None) -> File:
    path = "pyproject.toml"
    before = _read(root, path)
    set_now = _table(root)
    if registry is not None:
        parse_settings({"registry": registry}, "--registry")
    if registry and set_now.get("registry") == "":
        return File(path, before, project_text.replace_value(before or "", "tool.helpers", "registry", registry))
    if "registry" in set_now:
        if registry not in (None, set_now["registry"]):
            raise UsageError(
                f"--registry {registry!r}: registry = {set_now['registry']!r} is set already",
                where=root / path,
                fix="change it there",
            )
        return File(path, before, before or "")
    line = f"registry = {project_text.toml_string(registry or '')}  # that images are pushed to: HOST[:PORT][/PATH]"
    after = project_text.add_to_table(_ended(before), "tool.helpers", [line]).lstrip("\n")
    # A table can be spelled in ways that a line more does not go with, such as `tool.helpers.env = []`.
    config.parse_toml(after, root / path, fix=f"write this into its [tool.helpers] by hand: {line}")
    return File(path, before, after)


def _table(root: Path) -> dict[str, object]:
    if not (root / "pyproject.toml").exists():
        return {}
    return dict(config.read_pyproject(root).get("tool", {}).get("helpers", {}))


def _ended(text: str | None) -> str:
    return f"{text}\n" if text and not text.endswith("\n") else text or ""


def _read(root: Path, path: str) -> str | None:
    """Return the content of a file in the super-repo, None if it is not there; what a link leads to is not touched."""
    steps = [root.joinpath(*Path(path).parts[: count + 1]) for count in range(len(Path(path).parts))]
    for step in steps:
        if step.is_symlink():
            raise PolicyError("is a link, and nothing is written through it", where=step, fix="put a file in its place")
        if step != steps[-1] and step.exists() and not step.is_dir():
            raise PolicyError("is a file where a directory belongs", where=step, fix="move it away")
    return config.read_text(steps[-1]) if steps[-1].exists() else None


def _show(files: Sequence[File]) -> None:
    for file in files:
        if file.word != "as it is":
            kept = f"  (yours is kept as {file.path}.orig)" if file.differs else ""
            print(f"{file.word:7}  {file.path}{kept}")
        if file.before is not None:
            for line in file.diff():
                colour = {"+": "green", "-": "red"}.get(line[0], "dim")
                print(f"  {paint(printable(line), colour, sys.stdout)}")
    if all(file.word == "as it is" for file in files):
        say("all that helpers needs here is there already")


def _check(files: Sequence[File], *, overwrite: bool) -> None:
    mine = [file for file in files if file.differs]
    if mine and not overwrite:
        _show(mine)
        raise PolicyError(
            f"{', '.join(file.path for file in mine)}: of yours, where helpers needs its own; nothing is changed",
            why="the difference is shown above",
            fix="move yours away and take over what you need of it, or the same command with --overwrite",
        )


def _write(root: Path, file: File) -> None:
    target = root / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.differs:
        os.replace(target, f"{target}.orig")
    handle, aside = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(file.after)
        os.chmod(aside, stat.S_IMODE(target.stat().st_mode) if target.exists() and not file.ours else file.mode)
        os.replace(aside, target)
    except BaseException:
        os.unlink(aside)
        raise
    config.read_pyproject.cache_clear()


def _notes(root: Path, files: Sequence[File]) -> None:
    """Say what will surprise the user later."""
    if "helpers" not in submodules.gitlinks(root):
        say("note: helpers/ is no submodule here, so a clone will not have it; fix: git submodule add URL helpers")
    known = repo.files(root, *(file.path for file in files))
    if hidden := [file.path for file in files if root / file.path not in known]:
        say(f"note: git ignores {', '.join(hidden)}; fix: git add -f {' '.join(hidden)}")
    if discover.is_runnable(root):
        say("note: the root is a runnable dir, as it has devops/ and changelog.txt; fix: invoke dir_check --dir .")
