"""Waits for its order with pytest imported, and then runs it as run_pytest.py does.

It stands in a container that is prepared before anybody knows what will be tested. So nothing of the checkout may be
imported before the order is there: pytest comes from Python's own directories, and where the checkout has a module of
the same name as one that is loaded, or one was loaded from it, a new Python begins.

usage: python prepared.py FIFO

The order is what is written to the FIFO until it is closed: that of run_pytest.py, and `environment`, variables that
are set for it.
"""

import importlib
import json
import os
import runpy
import sys
from typing import Iterable, List, Tuple

OWN = os.path.dirname(os.path.abspath(__file__))
RUN_PYTEST = os.path.join(OWN, "run_pytest.py")
# Python imports these by itself when it starts, wherever it finds them first.
AT_START = ("sitecustomize", "usercustomize")
# Where those of an installation lie: https://docs.python.org/3/library/sysconfig.html, and Debian's own place.
OF_PYTHON = [
    os.path.join(prefix, name) for prefix in (sys.prefix, sys.base_prefix) for name in ("lib", "lib64", "local/lib")
]


def is_of_python(path: str) -> bool:
    """Say whether a path belongs to Python and its installed packages, which the image holds."""
    return is_below(path, OF_PYTHON) and not is_below(path, [os.getcwd()])


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Say whether a path is one of the directories or lies in one."""
    return any((path + os.sep).startswith(os.path.join(directory, "")) for directory in directories)


def shadows(entry: str) -> Iterable[str]:
    """Yield the names of the modules that Python would find in a directory of its path."""
    try:
        names = os.listdir(entry or ".")
    except FileNotFoundError:
        return
    for name in names:
        stem, _, end = name.partition(".")
        if end in ("py", "pyc") or name.endswith(".so") or (not end and is_package(os.path.join(entry, name))):
            yield stem


def is_package(path: str) -> bool:
    """Say whether a directory is a package that Python prefers to a module further back on its path."""
    try:
        return any(name.startswith("__init__.") for name in os.listdir(path))
    except OSError:
        return False


def is_stale(foreign: List[str]) -> bool:
    """Say whether a Python that starts now could have imported something else than this one has.

    Arguments:
        foreign: the directories of its path that are not Python's.
    """
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    if any(file and not is_of_python(file) and os.path.dirname(os.path.abspath(file)) != OWN for file in files):
        return True
    loaded = {*(name.partition(".")[0] for name in sys.modules), *AT_START}
    try:
        return any(name in loaded for entry in foreign for name in shadows(entry))
    except OSError:  # no directory: an archive, perhaps
        return True


def marks() -> List[Tuple[int, int]]:
    """Return when each of our own files here was changed last, as the kernel noted it, and which file it is."""
    try:
        found = [os.lstat(os.path.join(OWN, name)) for name in sorted(os.listdir(OWN)) if name.endswith(".py")]
    except OSError:  # one has just gone
        return []
    return [(one.st_ctime_ns, one.st_ino) for one in found]


def is_alone() -> bool:
    """Say whether this process has one thread: more, of something that Python starts with, a child would not have."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return True


def main(fifo: str) -> None:
    """Wait for the order and run it, in a process that ends as the runner says.

    That one is not started before this one: a second Python would take as long to start as all that is done here.
    """
    before, alone = marks(), is_alone()
    whole = list(sys.path)
    foreign = [entry for entry in whole[1:] if not is_of_python(entry)]
    sys.path[:] = [entry for entry in whole if entry not in foreign]
    runner = runpy.run_path(os.path.join(OWN, "runner.py"))
    report = runner["Report"](os.path.dirname(fifo))
    child = runner["fork"]()
    if child:
        os._exit(runner["follow"](child, report))
    runpy.run_path(RUN_PYTEST)["import_pytest"]()
    with open(fifo, encoding="utf-8") as file:
        given = json.loads(file.read())
    report.wait()
    os.environ.update(given.pop("environment"))
    order = json.dumps(given)
    sys.path[:] = whole
    if not alone or not before or marks() != before or is_stale([*foreign, os.getcwd()]):
        os.execv(sys.executable, [sys.executable, RUN_PYTEST, order])
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    sys.argv = [RUN_PYTEST, order]
    runpy.run_path(RUN_PYTEST, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
