"""What our `invoke` does around invoke's own program: `install.py` writes this module's text into the command.

It stands there alone, before invoke is imported: the standard library only, and what every start has loaded already.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_HELP, _LIST = ("--help", "-h"), ("--list", "-l")
_MOST_BYTES = 1 << 20
_MOST_LETTERS = 1 << 12
# Overrides of invoke's configuration: our tasks have their names whatever an invoke.yaml says.
_overrides: dict[str, object] = {}


def prepare() -> None:
    """Make `invoke TASK --help` show the help of every task, and end where there are no tasks."""
    # A start makes no garbage worth collecting; looking for it takes a tenth of invoke's own start.
    gc.disable()
    words = sys.argv[1:] = _help_first(sys.argv[1:])
    if _names_tasks(words):
        return  # the caller says where tasks are
    root = _root(os.getcwd())
    if words[:1] == ["--complete"] and not _is_sourced(root):
        sys.exit(0)  # a key must not run code of a checkout
    if fault := _unreadable(root):
        print(f"invoke: error: {fault}", file=sys.stderr)
        sys.exit(2)
    if root:
        # Without this invoke takes the nearest `tasks`, as `helpers/tasks` or the `tasks` of a user.
        sys.argv[1:] = ["--search-root", root, *with_menu(words)]
        _overrides["tasks"] = {"auto_dash_names": False, "collection_name": "tasks"}
    elif _needs_tasks(words) and not _has_tasks(os.getcwd()):
        print(
            f"invoke: error: neither {os.getcwd()} nor a directory above it has tasks.py, so it has no tasks; "
            "fix: cd into a checkout that has helpers",
            file=sys.stderr,
        )
        sys.exit(2)


def with_menu(words: list[str]) -> list[str]:
    """Return the arguments that show the menu where invoke shows its own options; `--help invoke` shows these."""
    words = _help_first(words)
    if not words or (len(words) == 1 and words[0] in _HELP):
        return ["--list"]
    return ["--help"] if words[0] in _HELP and words[1:] == ["invoke"] else words


def _help_first(words: list[str]) -> list[str]:
    """Return `TASK --help` as `--help TASK`: a task with an argument, as NAME in `dir_create`, takes --help for it."""
    after = len(words) > 1 and words[1] in _HELP and not words[0].startswith("-")
    return ["--help", words[0]] if after else words


@contextmanager
def no_mock() -> Iterator[None]:
    """Let invoke be imported without `unittest.mock`, which brings asyncio and ssl: a seventh of the start of a task.

    Invoke takes one class of it, for a helper of tests. Whoever imports it later gets the real one.
    """
    stand_in = sys.modules["unittest.mock"] = type(sys)("unittest.mock")
    vars(stand_in)["Mock"] = object
    yield
    del sys.modules["unittest.mock"]


def run(program: Callable[[], object]) -> int:
    """Run invoke's program and return the exit code: 2 for a wrong command line, where invoke's own code is 1.

    1 says that tests failed. Ctrl-C outside of a task ends with 130, for the same reason.
    """
    _override(getattr(program, "__self__", None))
    try:
        try:
            program()
        finally:
            if sys.stdout:  # the caller may have closed it
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has stopped, as `head` does; without this Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 6
    except OSError as error:
        print(f"helpers: infrastructure: {error.filename or 'invoke'}: {error.strerror}", file=sys.stderr)
        return 6
    except Exception as error:
        fault = "" if os.environ.get("HELPERS_DEBUG") else _bad_setting(error)
        if not fault:
            raise
        print(f"invoke: error: {fault}", file=sys.stderr)
        return 2
    except SystemExit as end:
        # Invoke ends while it handles what it caught, and has printed that.
        caught = type(end.__context__).__name__
        if caught == "ParseError":
            print("  fix: invoke --list  (the tasks), or invoke --help TASK  (what it takes)", file=sys.stderr)
            return 2
        if type(getattr(end.__context__, "__context__", None)).__name__ == "CollectionNotFound":
            return 2
        if caught == "KeyboardInterrupt":
            return 130
        raise
    return 0


def _override(program: object) -> None:
    """Make a program of invoke read its configuration below our overrides, and use the program of the checkout."""
    if not (_overrides and (config := getattr(program, "config_class", None))):
        return
    vars(program)["config_class"] = lambda: config(overrides=_overrides)
    load: Callable[[object], None] = vars(type(program))["parse_collection"]

    def parse_collection() -> None:
        load(program)
        # An older helpers has none.
        if own := getattr(sys.modules.get("helpers.tasks"), "HelpersProgram", None):
            program.__class__ = own

    vars(program)["parse_collection"] = parse_collection


def _needs_tasks(words: list[str]) -> bool:
    # Other options first (--search-root, --complete, --version) are invoke's own business.
    return not words or not words[0].startswith("-") or words[0] in _LIST or (words[0] in _HELP and len(words) > 1)


def _names_tasks(words: list[str]) -> bool:
    """Say whether the command line or a setting names the place or the name of the tasks."""
    core = words[: next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))]
    named = any(word.startswith(("-r", "-c", "--search-root", "--collection")) for word in core)
    return named or any(name.startswith("INVOKE_TASKS_") for name in os.environ)


def _root(directory: str) -> str:
    """Return the nearest checkout with helpers and its tasks, at or above a directory; empty without a checkout."""
    while True:
        shim = os.path.join(directory, "tasks.py")
        package = os.path.join(directory, place_in(_start_of(shim))) if os.path.isfile(shim) else ""
        if package and any(
            os.path.isfile(os.path.join(package, *below, "thin_env", "bootstrap.py")) for below in ((), ("helpers",))
        ):
            return directory
        above = os.path.dirname(directory)
        if above == directory:
            return ""
        directory = above


def _is_sourced(root: str) -> bool:
    """Say whether `setenv.sh` of a checkout was sourced in the shell that asks for a completion."""
    # The package stands in `helpers` or in `helpers/helpers`. No link is followed from the checkout.
    named = os.environ.get("HELPERS_SOURCED", "").split(":") if root else []
    named += [os.path.dirname(place) for place in named if os.path.basename(place) == "helpers"]
    above = f"/{place_in(_start_of(os.path.join(root, 'tasks.py')))}".removesuffix("/helpers")
    roots = [place.removesuffix(above) for place in named if place.endswith(above)]
    return any(os.path.exists(place) and os.path.samefile(place, root) for place in roots)


def place_in(shim: str) -> str:
    """Return the path of helpers, relative to the root, by the text of `tasks.py`: the shim says it in its message."""
    stated = shim.partition(" submodule update --init ")[2].partition("\\n")[0]
    parts = stated.split("/")
    return stated if parts[-1] == "helpers" and not {"", ".", ".."} & {*parts} else "helpers"


def _start_of(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as text:
            return text.read(_MOST_LETTERS)
    except OSError:
        return ""


def _unreadable(root: str) -> str:
    """Return why invoke must not read a configuration file of the checkout; empty for a sound file.

    Invoke reads the file whole: a pipe would block it, and a device fill the memory.
    """
    for suffix in ("yaml", "yml", "json", "py") if root else ():
        file = os.path.join(root, f"invoke.{suffix}")
        if os.path.exists(file) and (not os.path.isfile(file) or os.path.getsize(file) > _MOST_BYTES):
            import shlex  # only a mistake needs it

            fix = f"mv {shlex.quote(file)} {shlex.quote(file)}.broken"
            return f"{file} is no configuration of invoke; why: not a regular file of at most 1 MiB; fix: {fix}"
    return ""


def _has_tasks(directory: str) -> bool:
    # As invoke's own loader: a module or a package.
    while True:
        if any(os.path.exists(os.path.join(directory, name)) for name in ("tasks.py", "tasks/__init__.py")):
            return True
        above = os.path.dirname(directory)
        if above == directory:
            return False
        directory = above


def _bad_setting(error: Exception) -> str:
    """Return the fault of invoke's configuration; empty for another error.

    Invoke reads files and variables (https://docs.pyinvoke.org/en/stable/concepts/configuration.html), and lets each
    fault in them escape.
    """
    import shlex  # only a mistake needs it

    own = (__file__, os.path.dirname(str(sys.modules["invoke"].__file__)), os.path.dirname(os.__file__))
    files, others, trace = [], False, error.__traceback__
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if trace.tb_frame.f_code.co_name == "_load_file" and name.startswith(own[1]):
            files.append(str(trace.tb_frame.f_locals.get("filepath")))
        others = others or not (name.startswith(own) or name.startswith("<frozen"))
        trace = trace.tb_next
    said = " ".join(str(error).split())[:200] or type(error).__name__
    if files:
        file = shlex.quote(files[0])
        if line := _marker(files[0]):
            folder, name = os.path.split(files[0])
            fix = f"git -C {shlex.quote(folder)} checkout --ours {shlex.quote(name)}"
            return f"{files[0]}:{line} has conflict markers; why: git left both sides of a merge in it; fix: {fix}"
        return f"{files[0]} is no configuration of invoke; why: {said}; fix: mv {file} {file}.broken"
    if others:
        return ""  # of a task
    names = [name for name in os.environ if name.startswith("INVOKE_")]
    fix = f"unset {' '.join(names)}" if names else "correct invoke.yaml beside tasks.py, ~/.invoke.yaml or the option"
    return f"a setting of invoke is wrong; why: {said}; fix: {fix}"


def _marker(file: str) -> int:
    """Return the number of the first line with a conflict marker of git; 0 without a marker."""
    with open(file, errors="replace") as lines:
        return next((number for number, line in enumerate(lines, 1) if line.startswith(("<<<<<<<", ">>>>>>>"))), 0)
