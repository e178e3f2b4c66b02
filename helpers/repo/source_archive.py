"""The files of a commit of a remote as an archive: fetched by the user's own git, and nothing of the repo is run."""

from __future__ import annotations

import gzip
import io
import posixpath
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from helpers import proc
from helpers.errors import ConfigError, InfrastructureError
from helpers.model import git_url
from helpers.repo.remotes import first_words, local_allowed, network_environment

_SECONDS = 900.0
# Attributes of a repo leave files out of an archive, and change others: an installer of a commit sees all files as
# they are. This file counts more than the files of the repo (https://git-scm.com/docs/gitattributes).
_ATTRIBUTES = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
_WORDS = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--upload-pack=git-upload-pack")
_ALL = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_MODULE = re.compile(r"160000 commit \w+\t(.*)")


def write(url: str, commit: str, target: Path, *, subdirectory: str, more: Mapping[str, str]) -> None:
    """Write the archive of a directory of a commit, the same bytes for the same commit.

    Arguments:
        url: of the remote.
        commit: all 40 digits.
        target: a new file `NAME.tar.gz`; the archive holds one directory, NAME.
        subdirectory: relative to the root of the repo; empty is the root.
        more: files by name to add, unless the directory has them.

    Raises:
        ConfigError: the URL is refused, or the commit has submodules.
        InfrastructureError: the remote does not give the commit.
    """
    if why := git_url.refusal(url, local_allowed):
        raise ConfigError(f"a git dependency cannot be fetched: {why}", where=git_url.masked(url))
    place = target.with_name(f"{target.name}.git")
    for name in ("refs", "objects", "info"):
        (place / name).mkdir(parents=True)
    (place / "HEAD").write_text("ref: refs/heads/none\n")
    (place / "config").write_text(_CONFIG)
    (place / "info" / "attributes").write_text(_ATTRIBUTES)
    done = _git(place, "fetch", *_WORDS, "--depth=1", "--", url, commit)
    if done.code:  # some servers give branches and tags only
        done = _git(place, "fetch", *_WORDS, "--", url, *_ALL)
    if done.code or _git(place, "cat-file", "-e", f"{commit}^{{commit}}").code:
        raise InfrastructureError(
            f"the commit {commit[:12]} of a git dependency cannot be fetched",
            where=git_url.masked(url),
            why=first_words(done.stderr) if done.code else "no branch and no tag has the commit",
            fix=f"git ls-remote {git_url.masked(url)}  (must work without a question)",
        )
    if module := _MODULE.search(_git(place, "ls-tree", "-r", commit).stdout):
        raise ConfigError(
            f"a git dependency has the submodule {module[1]}",
            where=git_url.masked(url),
            why="an archive of a commit holds no submodules",
            fix="take a release of the package from an index",
        )
    plain = target.with_suffix("")
    inside = [f":(literal){subdirectory}"] if subdirectory else []
    done = _git(place, "archive", "--format=tar", f"--output={plain}", commit, "--", *inside)
    if done.code:
        raise InfrastructureError(f"git archive failed: {done.reason}", where=git_url.masked(url))
    with target.open("wb") as file, gzip.GzipFile("", "wb", 6, file, 0) as packed:
        _pack(plain, packed, posixpath.normpath(subdirectory), target.name.removesuffix(".tar.gz"), more)
    plain.unlink()
    shutil.rmtree(place)


def _git(place: Path, *words: str) -> proc.Completed:
    command = ["git", f"--git-dir={place}", "-c", "tar.umask=0022", *words]
    return proc.run(command, cwd=Path("/"), env=network_environment(), timeout=_SECONDS)


def _pack(plain: Path, packed: gzip.GzipFile, inside: str, name: str, more: Mapping[str, str]) -> None:
    """Write the members below a directory of an archive, and more files, to another archive below `name`."""
    there = set()
    with tarfile.open(plain) as source, tarfile.open(fileobj=packed, mode="w") as target:
        for item in source:
            path = posixpath.relpath(item.name, inside)
            if path in (".", "..") or path.startswith("../"):
                continue
            there.add(path)
            item.name, item.mtime, item.pax_headers = f"{name}/{path}", 0, {}
            target.addfile(item, source.extractfile(item) if item.isfile() else None)
        for path, text in more.items():
            if path not in there:
                info = tarfile.TarInfo(f"{name}/{path}")
                info.size = len(text.encode())
                target.addfile(info, io.BytesIO(text.encode()))
