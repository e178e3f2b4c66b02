"""The entries of `git status --porcelain=v2 -z`; with no imports, for the memo of a whole run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Fields before the path, by the kind of an entry (https://git-scm.com/docs/git-status#_porcelain_format_version_2).
_FIELDS = {"1": 7, "2": 8, "u": 9}


def entries(text: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield the kind, the fields and the path of each entry: the only parser of `git status`.

    A rename or a copy (kind `2`) also has a former path, which becomes the last field. A header has the kind `#` and
    no path. A path may hold any character but NUL, as a newline, a quote or ` -> `.

    Arguments:
        text: the output of git.
    """
    words = iter(text.split("\0"))
    for word in words:
        kind, _, rest = word.partition(" ")
        if kind in _FIELDS:
            *fields, path = rest.split(" ", _FIELDS[kind])
            if kind == "2":
                fields.append(next(words, ""))
            yield kind, fields, path
        elif kind == "#":
            yield kind, rest.split(" "), ""
        elif word:
            yield kind, [], rest


def changed_paths(text: str) -> list[str]:
    """Return the changed and the untracked paths, both paths of a rename among them; ignored paths are left out."""
    found = []
    for kind, fields, path in entries(text):
        if kind not in "#!":
            found += [fields[-1], path] if kind == "2" else [path]
    return found
