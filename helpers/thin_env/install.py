"""Makes an environment: under a lock, built aside, and put in place by one rename. Only `bootstrap.py` comes here."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from helpers.thin_env import LOCK_HELD, MARKER, ThinEnvError, cache_path, is_ready, lock_holder, pip_config, slow_steps
from helpers.thin_env.streams import put_line

SAY_AFTER, GIVE_UP_AFTER = 2.0, 300.0
TYPICAL_SECONDS = 10.0
# A character more of a line that pip prints tells nothing.
_LONG_LINE = 300


class Command(NamedTuple):
    """A process to start: its arguments and its whole environment."""

    argv: list[str]
    environ: dict[str, str]


# From the new environment's directory and the requirements file to the commands that install them, in order.
Installer = Callable[[str, str], list[Command]]


def say(text: str) -> None:
    """Print one line for a person who waits."""
    put_line(f"helpers: {text}", sys.stderr)


def build(env: str, requirements: str, installer: Installer) -> None:
    """Make the environment at `env`, unless another process has made it meanwhile.

    Raises:
        ThinEnvError: no network, no space, no permission, no usable pip, or the lock was held too long.
    """
    try:
        with _lock(env) as lock:
            if not is_ready(env):
                _remove_leftovers(env)
                _build_aside(env, requirements, installer, lock)
    except OSError as error:
        where = error.filename or env
        raise ThinEnvError(
            f"cannot make the environment: {where}: {error.strerror or error}; "
            "fix: make room or permission there, or set HELPERS_CACHE to another directory"
        ) from error


@contextmanager
def _lock(env: str) -> Iterator[TextIO]:
    path = Path(env).parent.parent / "locks" / f"{Path(env).name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        _wait_for(lock, path)
        lock_holder.write(lock.fileno())
        yield lock
        lock_holder.clear(lock.fileno())


def _wait_for(lock: TextIO, path: Path) -> None:
    start, said = time.monotonic(), False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - start
        holder = f"{lock_holder.read(path)}, which holds {path}"
        if waited > GIVE_UP_AFTER:
            message = f"waited {GIVE_UP_AFTER:.0f} s in vain for {holder}; fix: end that process, then start again"
            raise ThinEnvError(message, LOCK_HELD)
        if waited > SAY_AFTER and not said:
            say(f"waiting for {holder} and makes the same environment...")
            said = True
        time.sleep(0.1)


def _remove_leftovers(env: str) -> None:
    """Under the lock: whatever has this environment's name without its marker was left by a killed build."""
    path = Path(env)
    for left in (path, *path.parent.glob(f"{path.name}.*")):
        if left.is_symlink() or left.is_file():
            left.unlink()
        else:
            shutil.rmtree(left, ignore_errors=True)


def _build_aside(env: str, requirements: str, installer: Installer, lock: TextIO) -> None:
    os.makedirs(os.path.dirname(env), exist_ok=True)
    # Scripts in an environment name its path, so the built directory keeps its own and a link takes the final name.
    aside = tempfile.mkdtemp(prefix=f"{os.path.basename(env)}.", dir=os.path.dirname(env))
    os.chmod(aside, 0o755)
    content = Path(requirements).read_bytes()
    log = Path(f"{aside}.log")
    stem = Path(requirements).stem
    doing = f"making the {'thin' if stem == 'requirements' else stem} environment"
    try:
        about = f"{doing} (once, about {slow_steps.in_words(slow_steps.usual_seconds(doing, TYPICAL_SECONDS))})"
        first = not any(Path(env).parent.glob(f"*/{MARKER}"))
        say(f"first run on this machine: {about}; bases and images follow, each once" if first else f"{about}...")
        with slow_steps.shown(doing, usual=TYPICAL_SECONDS, output=log):
            venv.EnvBuilder(symlinks=True).create(aside)
            for command in installer(aside, requirements):
                _run(command, lock, log)
            if os.path.exists(os.path.join(aside, "bin", "invoke")):
                _add_path_dir(aside)
        Path(aside, MARKER).write_bytes(content)
        os.symlink(os.path.basename(aside), f"{aside}.link")
        os.replace(f"{aside}.link", env)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    finally:
        log.unlink(missing_ok=True)


def _run(command: Command, lock: TextIO, log: Path) -> None:
    """Run the command; it inherits the lock: when we are killed, nobody touches what it still writes to."""
    with log.open("wb") as file:
        code = subprocess.run(
            command.argv,
            # `-m pip` takes modules, and uv and invoke take settings, from their current directory.
            cwd="/",
            env=command.environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.fileno(),),
            check=False,
        ).returncode
    if code:
        raise _explain(command, code, log.read_text("utf-8", "replace"))


def _explain(command: Command, code: int, output: str) -> ThinEnvError:
    full = next((text for text in map(os.strerror, (errno.ENOSPC, errno.EDQUOT)) if text in output), "")
    if full:
        # Which of the two it was is only seen while what was written still lies there.
        places = [
            f"{path} has {shutil.disk_usage(path).free // 10**6} MB" for path in (cache_path(), tempfile.gettempdir())
        ]
        return ThinEnvError(
            f"cannot make the environment: {full} ({', '.join(places)}); "
            "fix: make room there, or set HELPERS_CACHE and TMPDIR to directories with more, then start again"
        )
    # The addresses of package indexes stay out of messages.
    lines = [line for line in output.strip().splitlines() if not line.startswith("Looking in ")]
    if any(line.startswith("Traceback ") for line in lines):
        lines = [line for line in lines if not line.startswith((" ", "Traceback "))]
    last = "".join(f"\n    {line[:_LONG_LINE]}" for line in lines[-6:])
    return ThinEnvError(
        f"cannot install packages: exit code {code} of {shlex.join(command.argv)}{last}\n"
        "  fix: check the network, the package index and proxy that `python3 -m pip config list` shows, and the"
        " space on the disk; then start again"
    )


def pip_installer(env: str, requirements: str) -> list[Command]:
    """How pip installs into `env`: the environment's own pip, on a Python without `ensurepip` the system's.

    Raises:
        ThinEnvError: this Python has neither.
    """
    python = os.path.join(env, "bin", "python")
    # These would send the packages to another place than the environment.
    environ = {name: value for name, value in os.environ.items() if name not in {"PIP_TARGET", "PIP_PREFIX"}}
    if importlib.util.find_spec("ensurepip"):
        pip = [python, "-I", "-m", "pip"]
        before = [Command([python, "-I", "-m", "ensurepip", "--default-pip"], environ)]
    elif importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "--python", python]
        before = []
    else:
        raise ThinEnvError(_NO_PIP.format(python=sys.executable))
    options = ["--no-input", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    return [*before, Command([*pip, "install", "--no-user", *options, "-r", requirements], environ)]


_NO_PIP = (
    "{python} has neither the module ensurepip nor pip, so it cannot make an environment; "
    "fix: apt-get install python3-venv (or name another Python in HELPERS_PYTHON)"
)


def uv_installer(thin: str) -> Installer:
    """An installer that uses the uv of the thin environment at `thin`."""

    def commands(env: str, requirements: str) -> list[Command]:
        argv = [os.path.join(thin, "bin", "uv"), "pip", "install", "--python", os.path.join(env, "bin", "python")]
        options = ["--no-build", "--compile-bytecode", "--require-hashes", "-r", requirements]
        return [Command([*argv, *options], pip_config.uv_environ(os.environ, pip_config.ask(thin)))]

    return commands


LAUNCHER = """\
#!/bin/sh
# Starts the main_pytest.py of the checkout around the current directory.
dir=$PWD
while :; do
    if [ -f "$dir/main_pytest.py" ] && [ -f "$dir/dev_scripts/setenv.sh" ]; then
        exec {python} "$dir/main_pytest.py" "$@"
    fi
    [ -n "$dir" ] || break
    dir=${{dir%/*}}
done
echo "main_pytest.py: error: neither $PWD nor a directory above it has main_pytest.py; fix: cd into a checkout" >&2
exit 2
"""


def _add_path_dir(env: str) -> None:
    """Add what `setenv.sh` needs: a directory with our commands and no `python`."""
    folder = Path(env, "path")
    folder.mkdir()
    # Several checkouts share an environment, so a script of it can import nothing of ours.
    prepare = Path(__file__).with_name("invoke_script.py").read_text().partition("annotations\n")[2]
    for name in ("invoke", "inv"):
        script = Path(env, "bin", name).read_text()
        script = re.sub(r"sys\.exit\((\S+)\(\)\)", r"sys.exit(run(\1))", script)
        script = script.replace("import sys\n", f"{prepare}\n\nprepare()\n", 1)
        own = "from invoke.main import program\n"
        (folder / name).write_text(script.replace(own, f"with no_mock():\n    {own}"))
        (folder / name).chmod(0o755)
    launcher = folder / "main_pytest.py"
    launcher.write_text(LAUNCHER.format(python=shlex.quote(os.path.join(env, "bin", "python"))))
    launcher.chmod(0o755)
