"""Enters the thin environment, and makes it first if it is not there (then `install.py` does the work).

The toolchain starts here from any bare `python3`, so this directory is an island: the standard library only and
nothing of ours outside it. This module is read on every start, therefore it stays short and imports late.

    $HELPERS_CACHE     where environments are kept; otherwise $XDG_CACHE_HOME/helpers, otherwise ~/.cache/helpers
    $HELPERS_PYTHON    the interpreter that `dev_scripts/setenv.sh` starts instead of `python3`

As a script, `python3 helpers/thin_env/bootstrap.py [CHECKOUT]` (absolute) prints the path of the ready environment,
`bootstrap.py init [OPTIONS]` makes the repo around it ready to work with helpers, and
`bootstrap.py invoke TASK [OPTIONS]` runs a task of ours for programs that source no `setenv.sh`.

This file and the package's `__init__.py` must parse in Python 3.6, because `__init__.py` refuses an old Python.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
if not __package__:
    # Started as a script: only this directory is on the path, and the package `helpers` is two levels up.
    above, name = os.path.split(os.path.dirname(HERE))
    if name != "helpers":
        text = f"helpers: error: {HERE} is not in a directory called helpers; why: its code is imported by that name; "
        sys.exit(os.write(2, f"{text}fix: git -C '{above}' mv '{name}' helpers\n".encode()) and 2)
    sys.path.insert(0, above)
    import helpers.thin_env  # noqa: F401

    # Modules of the repo lie beside helpers, too.
    del sys.path[0]
from helpers.thin_env import (  # noqa: E402
    INTERRUPTED,
    MARKER,
    TERMINATED,
    ThinEnvError,
    cache_path,
    is_ready,
    use_bytecode_cache,
)
from helpers.thin_env.streams import make_safe  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import FrameType

    from helpers.thin_env.install import Installer

REQUIREMENTS = os.path.join(HERE, "requirements.txt")
# Part of every key: raise it when what `install.py` puts into an environment changes.
LAYOUT = "13"


def cache_dir() -> "Path":
    """The directory, absolute but perhaps not yet made, for all that the toolchain can make again."""
    from pathlib import Path

    return Path(cache_path())


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def env_path(requirements: str) -> str:
    """Where the environment for this requirements file and this Python belongs, made or not."""
    import hashlib

    system = os.uname()
    python = (sys.implementation.cache_tag, hex(sys.hexversion), sys.abiflags, os.path.realpath(sys.base_prefix))
    parts = (LAYOUT, *python, sys.platform, system.machine)
    key = hashlib.sha256("\0".join(map(str, parts)).encode() + b"\0" + _read(requirements)).hexdigest()[:16]
    stem = os.path.splitext(os.path.basename(requirements))[0]
    return os.path.join(cache_path(), "envs", f"{stem}-{key}")


def ensure_env(requirements: "Path", *, installer: "Installer | None" = None) -> "Path":
    """The environment with exactly these requirements, made if need be; several processes may ask at once.

    Arguments:
        requirements: a file of pins with hashes.
        installer: gives the commands that install it, by default pip's.

    Raises:
        ThinEnvError: it could not be made, or another process held the lock for 300 s.
    """
    from pathlib import Path

    path = os.path.abspath(requirements)
    env = env_path(path)
    if not is_ready(env):
        from helpers.thin_env import install

        install.build(env, path, installer or install.pip_installer)
    return Path(env)


def ensure_tool_env(requirements: "Path") -> "Path":
    """As `ensure_env`, but installed by the thin environment's uv: for tools that must not share our packages."""
    from pathlib import Path

    env = env_path(str(requirements))
    if is_ready(env):
        return Path(env)
    from helpers.thin_env import install

    thin = ensure_env(Path(REQUIREMENTS))
    return ensure_env(requirements, installer=install.uv_installer(str(thin)))


def _inside() -> bool:
    """Whether this process runs in an environment made from the requirements as they are now."""
    try:
        return _read(os.path.join(sys.prefix, MARKER)) == _read(REQUIREMENTS)
    except OSError:
        return False


def enter(script: str, argv: "Sequence[str]") -> None:
    """Return at once inside the thin environment; otherwise make it and start the script again in it, same pid.

    Raises:
        ThinEnvError: the environment could not be made or entered.
    """
    entered = os.environ.pop("HELPERS_ENTERED", None)
    # A container of ours runs tests with its own Python alone: from 3.11 on that one can read TOML.
    if _inside() or (os.environ.get("HELPERS_INSIDE") and sys.version_info >= (3, 11)):
        return
    env = env_path(REQUIREMENTS)
    if entered == env:
        # Without this check the two starts would go on for ever.
        raise ThinEnvError(f"{env} was entered, but Python runs in {sys.prefix} with other packages; fix: rm -r {env}*")
    if not is_ready(env):
        from pathlib import Path

        _end_on_sigterm()
        ensure_env(Path(REQUIREMENTS))
    os.environ["HELPERS_ENTERED"] = env
    python = os.path.join(env, "bin", "python")
    os.execv(python, [python, script, *argv])


def run(script: str, module: str) -> int:
    """What a shim does: enter the thin environment, then call `main()` of a module.

    Arguments:
        script: the shim's `__file__`.
        module: the full name of a module with `main() -> int`.

    Returns:
        The exit code for the process.
    """
    try:
        enter(script, sys.argv[1:])
    except (ThinEnvError, KeyboardInterrupt) as error:
        return _explain(error)
    import gc
    from importlib import import_module

    # What is imported stays: to look it through for garbage, now and at the end, would only take time.
    gc.disable()
    main = import_module(module).main
    if hasattr(gc, "freeze"):
        gc.freeze()
    gc.enable()
    return int(main())


def _end_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that a build in the making is stopped and removed."""
    import signal

    def end(number: int, frame: "FrameType | None") -> None:
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, end)


def _explain(error: BaseException) -> int:
    if isinstance(error, ThinEnvError):
        print(f"helpers: error: {error}", file=sys.stderr)
        return error.exit_code
    print("helpers: interrupted; nothing half-made is left, start it again", file=sys.stderr)
    return INTERRUPTED


def _pointer(root: str) -> str:
    return os.path.join(cache_path(), "checkouts", root.replace("/", "%"))


def _write_pointer(root: str, env: str) -> None:
    """Tell the next `setenv.sh` of this checkout where the environment is, so that it starts no Python."""
    path = _pointer(root)
    aside = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(aside, "w") as file:
            file.write(f"{env}\n{root}\n{os.environ.get('HELPERS_PYTHON', '')}\n")
        os.replace(aside, path)
    except OSError:
        # A name too long or a full disk costs the next start some time and nothing else.
        return


def main(argv: "Sequence[str]") -> int:
    """Make the thin environment and print its path; with a checkout's root, remember it for `setenv.sh`."""
    from pathlib import Path

    _end_on_sigterm()
    try:
        before = os.stat(REQUIREMENTS).st_mtime_ns
        env = str(ensure_env(Path(REQUIREMENTS)))
    except (ThinEnvError, KeyboardInterrupt) as error:
        return _explain(error)
    if argv and os.stat(REQUIREMENTS).st_mtime_ns == before:
        _write_pointer(argv[0], env)
    print(env)
    return 0


if __name__ == "__main__":
    make_safe()
    task = sys.argv[1:2] in (["init"], ["invoke"])
    if not task and sys.argv[1:] and not os.path.isabs(sys.argv[1]):
        print("usage: bootstrap.py [CHECKOUT] | bootstrap.py init [--help] | bootstrap.py invoke TASK", file=sys.stderr)
        sys.exit(0 if sys.argv[1] in ("--help", "-h") else 2)
    use_bytecode_cache()
    sys.exit(run(__file__, "helpers.tasks.start") if task else main(sys.argv[1:]))
