"""A checkout of the thin environment's files alone, with a package index of one package on disk: no network needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[1]
TOP = HELPERS.parent

STUB = """
import sys


def main():
    print("stub", sys.argv[1:])
"""
CLI = """
import os
import sys


def main():
    print("cli", os.getpid(), os.path.realpath(sys.prefix), sys.argv[1:])
    return 3
"""


# The answer of a repo whose tests have never run.
NO_ANSWER = """
def answer(script, argv):
    return None
"""


def write_wheel(folder: Path) -> str:
    """Write a package that is called invoke and prints what it was asked; returns its pin with its hash."""
    folder.mkdir(parents=True)
    info = "invoke-0.0.1.dist-info"
    files = {
        "invoke_stub.py": STUB,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: invoke\nVersion: 0.0.1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ninvoke = invoke_stub:main\ninv = invoke_stub:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = folder / "invoke-0.0.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return f"invoke==0.0.1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass(frozen=True)
class Checkout:
    """The root of a small checkout and the environment in which to start its commands."""

    root: Path
    environ: dict[str, str] = field(repr=False)

    @property
    def cache(self) -> Path:
        """Where this checkout's environments are made."""
        return Path(self.environ["HELPERS_CACHE"])

    def run(self, *argv: str | Path, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, at most 120 s, in `cwd` (otherwise the root) and with more variables."""
        return subprocess.run(
            [str(part) for part in argv],
            cwd=cwd or self.root,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def envs(self) -> list[Path]:
        """The environments that are ready to use."""
        return [path for path in (self.cache / "envs").glob("*") if path.is_symlink()]

    def leftovers(self) -> list[str]:
        """Directories of environments that no name leads to."""
        used = {path.resolve() for path in self.envs()}
        return [path.name for path in (self.cache / "envs").glob("*") if path.resolve() not in used]


def write_checkout(root: Path, pin: str) -> None:
    """Copy what the thin environment consists of, with one pin instead of the real ones."""
    package = root / "helpers"
    shutil.copytree(HELPERS / "thin_env", package / "thin_env", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "dev_scripts", root / "dev_scripts")
    for name in ("main_pytest.py", "tasks.py", "invoke.yaml"):
        shutil.copy(TOP / name, root / name)
    (package / "__init__.py").write_text("")
    (package / "driver").mkdir()
    (package / "driver" / "__init__.py").write_text("")
    (package / "driver" / "cli.py").write_text(CLI)
    for name in ("memo", "headstart"):
        (package / "driver" / f"{name}.py").write_text(NO_ANSWER)
    (package / "thin_env" / "requirements.txt").write_text(pin)


def make_checkout(folder: Path, name: str = "a checkout") -> Checkout:
    """A small checkout in `folder / name` with a home, a cache and an index of its own beside it."""
    index = folder / "index"
    write_checkout(folder / name, write_wheel(index))
    (folder / "home").mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "HELPERS_CACHE": str(folder / "cache"),
        "HELPERS_PYTHON": sys.executable,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": index.as_uri(),
        "TMPDIR": str(folder),
    }
    return Checkout(folder / name, environ)
