"""Installs the wheel of a project into the environment whose Python runs this.

usage: python install_project.py UV DIRECTORY                             the whole wheel
       python install_project.py UV DIRECTORY HOW NAME PROJECT            HOW: wheel, editable or compiled

`editable` and `compiled` install metadata and scripts only: the modules are those of the checkout of the project, which
`helpers_projects.py` adds to the path. `compiled` also keeps the files that the build made, `editable` refuses these.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SITE = sysconfig.get_path("purelib")
OWN = "helpers_projects"
RECORD = ".dist-info/RECORD"
# https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-data-directory
_MODULES = ("purelib", "platlib")
_SHOWN = 3
# A requirement whose path is relative to the project, as some backends hand it on.
_RELATIVE = re.compile(rb"^(Requires-Dist: *[\w.-]+(?: *\[[^\]\n]*\])?) *@ *file:(?!//)[^\s;]*(.*)$", re.MULTILINE)


def main(uv: str, directory: str, how: str = "wheel", name: str = "", project: str = "") -> None:
    """Install the one wheel of a directory."""
    (wheel,) = (os.path.join(directory, file) for file in os.listdir(directory) if file.endswith(".whl"))
    if how == "wheel":
        _install(uv, wheel)
        # `try_imports.py` reads the names.
        with open(os.path.join(sys.prefix, "helpers-project.txt"), "a", encoding="utf-8") as file:
            file.write(os.path.basename(wheel).split("-")[0] + "\n")
        return
    files = _read(wheel)
    modules = {_in_site(path): content for path, content in files.items() if _in_site(path)}
    roots, made, changed = _compare(modules, project)
    if how == "compiled":
        made.update(changed)
    elif made:
        shown = ", ".join(sorted(made)[:_SHOWN]) + (", ..." if len(made) > _SHOWN else "")
        sys.exit(
            f"helpers: error: the wheel has files that are not in the checkout: {shown}; "
            'fix: write installed = "compiled" to the settings of the directory'
        )
    with tempfile.TemporaryDirectory() as aside:
        rest = {file: content for file, content in files.items() if not _in_site(file)}
        # A file of this kind works in the directory of all packages only.
        rest.update({file: made.pop(file) for file in list(made) if file.endswith(".pth") and "/" not in file})
        _install(uv, _write(os.path.join(aside, os.path.basename(wheel)), rest))
    _keep(name, next(file for file in files if file.endswith(RECORD)).partition("/")[0], roots, made)


def _install(uv: str, wheel: str) -> None:
    name, version = os.path.basename(wheel).split("-")[:2]
    # By name and not by path: the path would stay in the metadata.
    command = [uv, "pip", "install", "--no-deps", "--no-index", "--offline", "--find-links", os.path.dirname(wheel)]
    command += ["--reinstall", "--compile-bytecode", "--python", sys.executable, f"{name}=={version}"]
    settings = {"UV_NO_CACHE": "1", "UV_LINK_MODE": "copy", "UV_NO_PROGRESS": "1"}
    own = {**os.environ, **settings, "PYC_INVALIDATION_MODE": "CHECKED_HASH"}
    code = subprocess.run(command, env=own, check=False).returncode
    if code:
        sys.exit(code)
    for place in glob.glob(os.path.join(SITE, f"{glob.escape(name)}-*.dist-info")):
        _tidy(place)


def _tidy(metadata: str) -> None:
    """Take out of the metadata of an installed project what holds for the place of its build only."""
    top = os.path.basename(metadata)
    # Holds the time of the wheel's file, so that no two images would have the same bytes.
    cache, stated, record = (os.path.join(metadata, file) for file in ("uv_cache.json", "METADATA", "RECORD"))
    if os.path.exists(cache):
        os.remove(cache)
    before = _content(stated)
    # No requirement of PEP 508: programs that read all metadata of an environment fail at it.
    after = _RELATIVE.sub(rb"\1\2", before)
    with open(record, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(f"{top}/uv_cache.json,")]
    if after != before:
        with open(stated, "wb") as written:
            written.write(after)
        lines = [_line(f"{top}/METADATA", after) if line.startswith(f"{top}/METADATA,") else line for line in lines]
    with open(record, "w", encoding="utf-8") as file:
        file.writelines(lines)


def _read(wheel: str) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {file: archive.read(file) for file in archive.namelist() if not file.endswith("/")}


def _in_site(file: str) -> str:
    """Return where a file of a wheel belongs below `site-packages`; empty for metadata, scripts and data."""
    top, _, rest = file.partition("/")
    if top.endswith(".data"):
        kind, _, below = rest.partition("/")
        return below if kind in _MODULES else ""
    return "" if top.endswith(".dist-info") else file


def _compare(modules: Mapping[str, bytes], project: str) -> tuple[list[str], dict[str, bytes], dict[str, bytes]]:
    """Return the directories of the project that hold modules, the files that it does not have, and changed files."""
    by_name: dict[str, list[str]] = {}
    for parent, _, names in os.walk(project):
        for name in names:
            by_name.setdefault(name, []).append(os.path.relpath(os.path.join(parent, name), project))
    places: dict[str, dict[str, bool]] = {}
    for file, content in modules.items():
        for path in by_name.get(os.path.basename(file), ()):
            if path == file or path.endswith(f"/{file}"):
                same = _content(os.path.join(project, path)) == content
                places.setdefault(path[: len(path) - len(file)].rstrip("/") or ".", {})[file] = same
    left = dict(modules)
    changed: dict[str, bytes] = {}
    roots: list[str] = []
    # The directory that holds most of the files first.
    for root in sorted(places, key=lambda one: (-sum(places[one].values()), len(one), one)):
        new = [file for file, same in places[root].items() if file in left and (same or not roots or root in roots)]
        if new:
            roots.append(root)
        for file in new:
            content = left.pop(file)
            if not places[root][file]:
                changed[file] = content
    return roots or ["."], left, changed


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, files: Mapping[str, bytes]) -> str:
    """Write a wheel of some files of another one, with a list of its own."""
    record = next(file for file in files if file.endswith(RECORD))
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            if file != record:
                archive.writestr(file, content)
                lines.append(_line(f'"{file}"', content))
        archive.writestr(record, "".join([*lines, f"{record},,\n"]))
    return path


def _line(name: str, content: bytes) -> str:
    """Return the line of a file in a list of installed files."""
    sum256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={sum256},{len(content)}\n"


def _keep(name: str, metadata: str, roots: list[str], made: Mapping[str, bytes]) -> None:
    """Put metadata and made files where they are found only beside a checkout, which a container may not have."""
    shutil.copyfile(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{OWN}.py"), f"{SITE}/{OWN}.py")
    py_compile.compile(f"{SITE}/{OWN}.py", invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    with open(f"{SITE}/{OWN}.pth", "w", encoding="utf-8") as file:
        file.write(f"import {OWN}; {OWN}.main()\n")
    target = os.path.join(os.path.dirname(SITE), f"helpers-{name}")
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target)
    os.rename(os.path.join(SITE, metadata), os.path.join(target, metadata))
    for path, content in made.items():
        os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
        with open(os.path.join(target, path), "wb") as written:
            written.write(content)
    with open(os.path.join(target, "roots.txt"), "w", encoding="utf-8") as file:
        file.write("".join(f"{root}\n" for root in roots))


if __name__ == "__main__":
    main(*sys.argv[1:])
