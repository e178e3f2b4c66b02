"""Files of a checkout: only a regular file inside the repo is read or written, and never more than its kind needs.

A checkout is a stranger's data: a link can lead to the caller's credentials, a FIFO can wait, a device can be endless.
The content of a refused file is neither read nor part of a message.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_MIB = 1 << 20
_SETTINGS_BYTES = 1 * _MIB
_LOCK_BYTES = 16 * _MIB
_BLOCK_BYTES = 1 << 16
# O_NONBLOCK: the open of a FIFO must not wait for a writer. O_NOCTTY: no terminal becomes ours.
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# The limit of Linux (https://man7.org/linux/man-pages/man7/path_resolution.7.html).
_MOST_LINKS = 40
_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFLNK: "link",
}
# The answer to O_NOFOLLOW: of Linux and macOS, of FreeBSD.
_IS_LINK = (errno.ELOOP, errno.EMLINK)
_GIT = ".git"
_WHY = "helpers reads and writes only regular files inside the repo"
_BOM = "\ufeff"
# A merge may have left its markers in these places.
_MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


def read(path: Path) -> bytes:
    """Return the content of a file of a checkout.

    Arguments:
        path: absolute path.

    Raises:
        ConfigError: the file is missing, not a regular file, too large or unreadable; a link leads out of the repo or
            into its `.git`.
    """
    found = read_if_there(path)
    if found is None:
        raise ConfigError("is missing", where=path, fix="invoke dir_check  (lists the files that a runnable dir needs)")
    return found


def read_if_there(path: Path) -> bytes | None:
    """Return the content of a file of a checkout, None if the file is missing; a dangling link is an error.

    Raises:
        ConfigError: as in `read`.
    """
    file = _opened(path)
    if file is None:
        return None
    try:
        return _content(file, path)
    except OSError as error:
        _fail(error, path)
    finally:
        os.close(file)


def read_text(path: Path) -> str:
    """Return the content of a text file of a checkout; carriage returns stay.

    Raises:
        ConfigError: as in `read`; or the file is not UTF-8, starts with a byte order mark, or has conflict markers.
    """
    return _text(read(path), path)


def read_text_if_there(path: Path) -> str | None:
    """Return the content of a text file of a checkout, None if the file is missing.

    Raises:
        ConfigError: as in `read_text`.
    """
    content = read_if_there(path)
    return None if content is None else _text(content, path)


def is_there(path: Path) -> bool:
    """Return whether a regular file of the checkout has this name.

    Raises:
        ConfigError: something else than a regular file has it, or a link leads out of the repo or into its `.git`.
    """
    file = _opened(path)
    if file is None:
        return False
    os.close(file)
    return True


def check_mountable(path: Path) -> None:
    """Return if docker can mount the path, whose options turn a carriage return before a newline into the newline.

    Arguments:
        path: absolute path.

    Raises:
        ConfigError: the path holds a carriage return.
    """
    if "\r" not in str(path):
        return
    part = next(part for part in reversed((path, *path.parents)) if "\r" in part.name)
    escaped = str(part).replace("\\", "\\\\").replace("'", "\\'").replace("\r", "\\r").replace("\n", "\\n")
    better = shlex.quote(str(part.with_name("-".join(part.name.splitlines()) or "-")))
    why = "docker's options do not carry it"
    raise ConfigError("the path holds a carriage return", where=path, why=why, fix=f"mv -n $'{escaped}' {better}")


def check_directory(path: Path) -> None:
    """Refuse a directory behind a link to outside of the repo; a missing directory is no error.

    Arguments:
        path: absolute path.

    Raises:
        ConfigError: a link on the way to `path` leads out of the repo, or into its `.git`.
    """
    if not _has_no_link(str(path)):
        _followed(path)


def write(path: Path, content: bytes) -> None:
    """Write a file of a checkout as a whole, through links inside the repo only; an old file keeps its permissions.

    Raises:
        ConfigError: as in `read`.
        OSError: the disk is full or not writable.
    """
    file = _opened(path)
    mode = None
    if file is not None:
        mode = stat.S_IMODE(os.fstat(file).st_mode)
        os.close(file)
    real = _followed(path)
    # The name is random: a checkout can hold a link of any predictable name.
    aside = os.path.join(os.path.dirname(real), f".{os.path.basename(real)}-{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o666), "wb") as stream:
            stream.write(content)
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
        os.replace(aside, real)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(aside)
        raise


def forget() -> None:
    """Look at directories anew from now on."""
    _has_no_link.cache_clear()


def _opened(path: Path, followed: str = "") -> int | None:
    """Return the descriptor of a regular file, None if the file is missing; `followed` is the target of a link."""
    real = followed or (str(path) if _has_no_link(os.path.dirname(path)) else _followed(path))
    try:
        file = os.open(real, os.O_RDONLY | _SAFE)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            _refuse_link("is a link to a file that does not exist", [str(path)])
        return None
    except OSError as error:
        if error.errno in _IS_LINK and not followed:
            return _opened(path, _followed(path))
        # A socket cannot be opened.
        kind = stat.S_IFMT(os.lstat(real).st_mode) if os.path.lexists(real) else stat.S_IFREG
        if kind not in (stat.S_IFREG, stat.S_IFLNK):
            _refuse(_is_no_file(kind), path)
        _fail(error, path)
    return _checked(file, path)


def _checked(file: int, path: Path) -> int:
    kind = stat.S_IFMT(os.fstat(file).st_mode)
    if kind == stat.S_IFREG:
        return file
    os.close(file)
    _refuse(_is_no_file(kind), path)


def _content(file: int, path: Path) -> bytes:
    most = _LOCK_BYTES if path.suffix == ".lock" else _SETTINGS_BYTES
    size = os.fstat(file).st_size
    parts: list[bytes] = []
    # The size counts before the first byte is read, the bytes where a file grows meanwhile.
    while size <= most and (part := os.read(file, max(_BLOCK_BYTES, min(size, most) + 1))):
        parts.append(part)
        size = max(size, sum(map(len, parts)))
    if size > most:
        _refuse(f"is larger than {most // _MIB} MiB", path, "move what does not belong into this file elsewhere")
    return b"".join(parts)


def _text(content: bytes, path: Path) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError("is not UTF-8", where=f"{path}:{line}", fix="save it as UTF-8") from None
    if text.startswith(_BOM):
        fix = rf"sed -i '1s/^\xef\xbb\xbf//' {shlex.quote(str(path))}  (or save the file as UTF-8 without the mark)"
        raise ConfigError("starts with a byte order mark", where=f"{path}:1", fix=fix)
    if any(mark in text for mark in _MARKS):
        from helpers import merge_conflict  # most files do without git

        merge_conflict.refuse(text, path)
    return text


@cache
def _has_no_link(directory: str) -> bool:
    """Return whether neither `directory` nor a directory above is a link; each directory is read once."""
    above = os.path.dirname(directory)
    return above == directory or (_has_no_link(above) and not os.path.islink(directory))


def _root_of(path: Path) -> str:
    """Return the root of the checkout whose rules bind the links of `path`.

    The nearest one: a repo gives the same answer as a submodule and alone, and a repo in the home directory permits
    nothing. A checkout behind a link does not decide, because the check is about this link.
    """
    root = ""
    for above in path.parents:
        if os.path.lexists(above / _GIT):
            root = root if root and not _link_between(root, above) else str(above)
    return root or str(path.parent)


def _link_between(lower: str, upper: Path) -> bool:
    here = Path(lower)
    while here != upper:
        if here.is_symlink():
            return True
        here = here.parent
    return False


def _followed(path: Path) -> str:
    """Return where `path` leads; each link on the way must stay inside the repo and out of its `.git`."""
    root = _root_of(path)
    here, links = root, list[str]()
    parts = os.path.relpath(path, root).split(os.sep)[::-1]
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        here = os.path.dirname(here) if part == ".." else os.path.join(here, part)
        if here != root and not here.startswith(f"{root}/"):
            _refuse_link(f"is a link that leads out of the repo {root}", links)
        if part.lower() == _GIT:
            _refuse_link(f"is a link into {_GIT}", links)
        try:
            target = os.readlink(here)
        except OSError:
            continue  # no link, or nothing at all
        links.append(here)
        if len(links) > _MOST_LINKS:
            _refuse_link("is a link in a circle", links)
        here = os.path.dirname(here)
        if target.startswith("/"):
            # The root may be named by a path with a link.
            names = [name for name in (root, os.path.realpath(root)) if f"{target}/".startswith(f"{name}/")]
            if not names:
                _refuse_link(f"is a link that leads out of the repo {root}", links)
            here, target = root, target[len(names[0]) :]
        parts += target.split("/")[::-1]
    return here


def _refuse_link(what: str, links: list[str]) -> NoReturn:
    fix = f"rm {shlex.quote(links[0])}  (then put a file or directory in its place)" if links else None
    raise ConfigError(what, where=links[0] if links else None, why=_WHY, fix=fix)


def _refuse(what: str, path: Path, fix: str = "") -> NoReturn:
    aside = f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.aside')}  (then write a regular file)"
    raise ConfigError(what, where=path, why=_WHY, fix=fix or aside)


def _is_no_file(kind: int) -> str:
    return f"is a {_KINDS.get(kind, 'special file')}, not a regular file"


def _fail(error: OSError, path: Path) -> NoReturn:
    raise unreadable(error, path) from None


def unreadable(error: OSError, path: Path) -> ConfigError:
    """Return the fault of a path that the system does not let the caller read."""
    denied = isinstance(error, PermissionError)
    fix = f"chmod u+rwX {shlex.join([str(path.parent), str(path)])}" if denied else None
    return ConfigError(f"cannot be read: {os.strerror(error.errno or 0).lower()}", where=path, fix=fix)
