"""The output file for a result of a run."""

from __future__ import annotations

import errno
import os
import shlex
import tempfile

from helpers.errors import HelpersError, InfrastructureError, UsageError

# The caller named a place that cannot hold a file; every other error is an error of the machine.
_WRONG_PLACE = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO),
)


def write(target: str, text: str) -> None:
    """Write a whole file or keep the old file; write directly to a device or a pipe.

    Arguments:
        target: the file.
        text: its content.

    Raises:
        UsageError: no file can be there.
        InfrastructureError: the disk is full or fails.
    """
    path = os.path.realpath(target)
    data = text.encode("utf-8", "replace")
    aside = f"{path}.{os.getpid()}.new"
    direct = os.path.exists(path) and not (os.path.isfile(path) and os.access(os.path.dirname(path), os.W_OK))
    try:
        with open(path if direct else aside, "wb") as file:
            file.write(data)
        if not direct:
            os.replace(aside, path)
    except OSError as error:
        if not direct and os.path.lexists(aside):
            os.unlink(aside)
        raise _explained(target, error) from None


def place_fix(target: str) -> str:
    """Return the fix for a file that cannot be written: the command that makes its directory, or another name."""
    directory = above = os.path.dirname(os.path.abspath(target))
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if above != directory and os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
        return f"mkdir -p {shlex.quote(directory)}"
    other = os.path.join(tempfile.gettempdir(), os.path.basename(os.path.abspath(target)))
    return f"name a file in a directory that exists and is writable, as in {shlex.quote(other)}"


def _explained(target: str, error: OSError) -> HelpersError:
    what = f"cannot write: {error.strerror}"
    if error.errno in _WRONG_PLACE:
        return UsageError(what, where=target, fix=place_fix(target))
    return InfrastructureError(what, where=target, fix="df -h  (make room, then run the command again)")
