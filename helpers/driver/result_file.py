"""The output file for a result of a run."""

from __future__ import annotations

import errno
import os

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


def _explained(target: str, error: OSError) -> HelpersError:
    what = f"cannot write: {error.strerror}"
    if error.errno in _WRONG_PLACE:
        return UsageError(what, where=target, fix="name a file in a directory that exists and is writable")
    return InfrastructureError(what, where=target, fix="df -h  (make room, then run the command again)")
