"""The embedded engine: no container, one isolated environment per directory from the same lock.

It gives what a machine without a docker engine can give: the right packages and a private home. It does not hide files,
cut the network, or limit memory, cores and processes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from helpers import host, proc
from helpers.engine import build_output
from helpers.engine.context import copy_project
from helpers.engine.seam import Control, Ingredients, Outcome, UnsupportedError
from helpers.engine.specs import Distribution, ImageSpec, RunSpec
from helpers.engine.supervise import attend_here, run_here, supervise
from helpers.engine.tools import uv
from helpers.errors import BuildError, InfrastructureError
from helpers.inside import build_wheel
from helpers.model.image import LABEL_INPUTS, BaseKind
from helpers.model.package_index import PackageIndex
from helpers.storage import cache_dir, file_name, locked, scratch, use
from helpers.thin_env.slow_steps import shown

_INSTALL_SECONDS = 1800.0
_TYPICAL_SECONDS = 10.0
_HOST = "host"
# Settings of uv, and of compilers: a build of a locked source package may need these.
_READ_BY_UV = ("UV_", "CC", "CXX", "CFLAGS", "CPPFLAGS", "LDFLAGS", "PKG_CONFIG", "MAKEFLAGS")
_NETWORK_FAULTS = ("error sending request", "dns error", "connection refused", "timed out", "connect error")


class VenvEngine:
    """The engine seam over virtual environments (PEP 405) made by uv."""

    name = "venv"
    isolates = False

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Return the environment of each reference that has one."""
        found = {reference: _environment(reference) for reference in references}
        for path in found.values():
            if path.exists():
                use("venvs", path.name)
        return {reference: str(path) for reference, path in found.items() if path.exists()}

    def describe(self, image: ImageSpec) -> str:
        """Name the directory whose environment is made; what lies below all directories is there."""
        return f"making the environment of {image.key}" if image.directory else ""

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        """Make the environment of a directory; what lies below all directories is the host itself."""
        if image.directory is None:
            if LABEL_INPUTS in image.labels and image.base.kind is BaseKind.IMAGE:
                raise UnsupportedError(f"needs the packages of the image {image.key}")
            return _HOST
        if image.dockerfile == image.directory / "devops" / "Dockerfile":
            raise UnsupportedError("has a Dockerfile of its own")
        _check_system_packages(image)
        target = _environment(image.reference)
        use("venvs", target.name)
        with locked(f"{target.name}.lock", stop=lambda: bool(control.level)):
            if not target.exists():
                doing = self.describe(image)
                with shown(doing, key=f"{self.name} {image.directory}", usual=_TYPICAL_SECONDS, output=log):
                    _make(image, ingredients, target, log, control)
        return str(target)

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        """Run a command with the environment's Python first on PATH and a home of its own."""
        if spec.services:
            raise UnsupportedError("needs services (devops/compose.yaml)")
        if spec.docker:
            raise UnsupportedError(f'starts containers (docker = "{spec.docker}")')
        if spec.options.hostname or spec.options.extra_hosts:
            raise UnsupportedError("needs host names of its own (hostname or extra_hosts)")
        environment = Path(spec.image)
        with tempfile.TemporaryDirectory(prefix="helpers-home-") as home:
            path = f"{environment / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            inherited = {name: os.environ[name] for name in spec.inherit if name in os.environ}
            own = {"PATH": path, "HOME": home, "TMPDIR": home, "VIRTUAL_ENV": str(environment)}
            # A home that a setting names would be a directory of this machine.
            env = {**spec.env, **inherited, **spec.file_values, **spec.values, **own}
            # The runner ends all that the command started when it ends, or when we do.
            command = [str(environment / "bin" / "python"), *spec.argv[1:]] if spec.argv[0] == "python" else spec.argv
            if spec.terminal:
                return attend_here(command, spec, env, log, control)
            child = proc.Child(command, cwd=spec.cwd, env=env)
            return run_here(child, spec, log, timeout, control)

    def prepare(self, spec: RunSpec, begun: proc.Child | None = None) -> None:
        """Prepare nothing: a process here starts in no time."""

    def start_command(self, spec: RunSpec) -> list[str]:
        """Return nothing: there is nothing to wait in."""
        return []

    def drop(self, name: str, begun: proc.Child) -> None:
        """Do nothing: nothing is begun."""

    def by_hand(self, spec: RunSpec, command: Sequence[str]) -> list[str]:
        """Return the command with the environment's Python, in the directory; none where a file has variables."""
        if spec.file_values:
            return []  # values of that file are on no command line
        python = str(Path(spec.image) / "bin" / "python")
        values = {"PYTHONPATH": spec.env.get("PYTHONPATH", ""), **spec.values}
        where = ["env", "--chdir", str(spec.cwd), *(f"{name}={value}" for name, value in values.items())]
        return [*where, *(python if word == "python" else word for word in command[:1]), *command[1:]]

    def reap(self) -> int:
        """Do nothing: what this engine starts ends with its driver."""
        return 0

    def finish(self) -> None:
        """Do nothing: what this engine starts has ended."""


def _environment(reference: str) -> Path:
    return cache_dir() / "venvs" / file_name(reference)


def _make(image: ImageSpec, ingredients: Ingredients, target: Path, log: Path, control: Control) -> None:
    aside = target.with_name(f"{target.name}.{os.getpid()}.new")
    # Only a build that was killed leaves one behind, and we hold the lock.
    for old in target.parent.glob(f"{target.name}.*.new") if target.parent.exists() else []:
        shutil.rmtree(old, ignore_errors=True)
    python = ["--python", image.requires_python] if image.requires_python else []
    _uv(["venv", "--relocatable", "--no-project", *python, str(aside)], image, log, control)
    try:
        for requirements in ingredients.requirements:
            # The lock names every package; --no-deps lets a checkout of one of them test itself.
            install = ["pip", "install", "--no-deps", "--require-hashes", "--compile-bytecode"]
            words = [*install, "--python", str(aside), "--requirements", str(requirements)]
            _uv(words, image, log, control, ingredients.indexes)
        # What is installed must be what all the locks say, and nothing else.
        check = ["pip", "sync", "--check", "--offline", "--allow-empty-requirements", "--python", str(aside)]
        _uv([*check, *map(str, ingredients.requirements)], image, log, control)
        for distribution in ingredients.distributions:
            _install(distribution, aside, image, log, control)
        os.replace(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _install(distribution: Distribution, environment: Path, image: ImageSpec, log: Path, control: Control) -> None:
    """Install the distribution of a project, built from a copy, in an environment of its own."""
    with scratch() as aside:
        copy_project(distribution, aside)
        source, wheel, asked = aside / "source", aside / "wheel", aside / "asked.txt"
        # The build writes into its copy, and the installer compares the wheel with an untouched copy.
        shutil.copytree(aside / "project", source)

        def call(python: Path, program: str, *words: object) -> None:
            """Run one of our programs, which runs code of the project, without variables of the caller."""
            settings = host.settings()
            path = os.pathsep.join((str(python / "bin"), os.environ.get("PATH", os.defpath)))
            own = {
                "PATH": path,
                "HOME": str(aside),
                "TMPDIR": str(aside),
                "LANG": "C.UTF-8",
                "VIRTUAL_ENV": str(python),
            }
            env = settings.backend_environment(str(settings.ca) if settings.ca else None) | own
            command = [str(python / "bin" / "python"), "-I", str(aside / program), *map(str, words)]
            _follow(proc.Child(command, cwd=aside, env=env), program, image, log, control)

        def made(name: str, requirements: Sequence[str]) -> Path:
            """Make an environment for the backend: nothing of the project ran in it before."""
            build, file = aside / name, aside / f"{name}.txt"
            file.write_text("".join(f"{item}\n" for item in requirements))
            python = str(environment / "bin" / "python")
            _uv(["venv", "--no-project", "--python", python, str(build)], image, log, control)
            install = ["pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(build)]
            _uv([*install, "--requirements", str(file)], image, log, control)
            return build

        first = distribution.build.requires
        call(made("asks", first), "build_wheel.py", "ask", source, asked)
        try:
            more = build_wheel.asked(str(asked))
        except ValueError as error:
            raise BuildError(str(error), where=image.key) from None
        call(made("builds", [*first, *more]), "build_wheel.py", "wheel", source, wheel)
        how = (distribution.installed, distribution.name, aside / "project")
        call(environment, "install_project.py", uv(), wheel, *how)


def _uv(
    arguments: list[str], image: ImageSpec, log: Path, control: Control, indexes: Sequence[PackageIndex] = ()
) -> None:
    settings = host.settings().beside(indexes)
    found = settings.environment(str(settings.ca) if settings.ca else None)
    env = {**host.tool_environment(*_READ_BY_UV), **found, "NO_COLOR": "1"}
    env["PATH"] = os.pathsep.join((env.get("PATH", os.defpath), *_other_pythons()))
    _follow(proc.Child([str(uv()), *arguments], env=env), arguments[0], image, log, control, indexes=indexes)


def _follow(
    child: proc.Child,
    command: str,
    image: ImageSpec,
    log: Path,
    control: Control,
    *,
    indexes: Sequence[PackageIndex] = (),
) -> None:
    child.close_input()
    ended = supervise(child, log, _INSTALL_SECONDS, control, [(child.terminate, 3.0), (child.kill, 5.0)])
    ended.check_complete(image.key, log)
    if ended.code:
        from helpers import index_refusal  # brings a client of HTTP, for a failure only

        if command == "pip" and (refused := index_refusal.of_install(ended.output, indexes, image.key)):
            raise refused
        _explain(command, ended.output, image, log)


def _explain(command: str, output: str, image: ImageSpec, log: Path) -> None:
    text = " ".join(output.replace("│", " ").replace("×", " ").replace("╰─▶", " ").split())
    if command == "venv" and ("No interpreter found" in text or "download" in text):
        raise UnsupportedError(f"needs Python {image.requires_python}, which is not on this machine")
    if any(fault in text.lower() for fault in _NETWORK_FAULTS):
        raise InfrastructureError(f"packages could not be fetched: {text[-300:]}", fix="invoke doctor")
    lines = output.splitlines()
    said = build_output.own_error(lines) or build_output.error(lines)[:300] or text[-300:]
    why, _, fix = said.partition("; fix: ")
    raise BuildError(f"the environment could not be made: {why}", where=image.key, fix=fix or f"read {log}")


def _other_pythons() -> list[str]:
    """Return directories of interpreters that pyenv keeps off PATH; uv does not look there by itself."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    try:
        return [str(path) for path in sorted(versions.glob("3.*/bin"), reverse=True)]
    except PermissionError:  # Another user's, after a change of user that kept the variable.
        return []


def _check_system_packages(image: ImageSpec) -> None:
    if not image.system_packages:
        return
    missing = list(image.system_packages)
    if shutil.which("dpkg-query"):
        form = "${binary:Package} ${db:Status-Status}\\n"
        done = proc.run(["dpkg-query", "--show", f"--showformat={form}", *image.system_packages])
        there = {line.split()[0].partition(":")[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
        missing = [name for name in image.system_packages if name not in there]
    if missing:
        raise UnsupportedError(f"needs system packages that are not on this machine: {', '.join(missing)}")
