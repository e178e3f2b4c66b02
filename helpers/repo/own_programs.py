"""The programs that a checkout itself would let git run: named, so that whoever counts on one knows that it is not.

The commands of helpers run none of them (`door`, `network`); for a command of the user's they are taken out of the way,
with those of the submodules below: git enters them by itself, for `git status` or `git diff`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from helpers import proc
from helpers.errors import InfrastructureError
from helpers.model import porcelain
from helpers.repo.door import environment, filters
from helpers.repo.location import common_dir, git_dir
from helpers.repo.remotes import network_environment, users_own
from helpers.repo.submodules import gitlinks

_OWN = ("local", "worktree")
# Settings for our own questions only: a command of the user still locks, fetches and sees replaced commits.
_OURS_ALONE = ("GIT_OPTIONAL_LOCKS", "GIT_NO_LAZY_FETCH", "GIT_NO_REPLACE_OBJECTS", "GIT_GRAFT_FILE")
# Keys of git-config that name a program, and a value by which git runs none, or its own one; None where there is no
# such value. Those are transports, of which git allows none but https and ssh.
_HARMLESS: tuple[tuple[str, str | None], ...] = (
    (r"alias\..+", ""),
    (r"core\.fsmonitor", "false"),
    (r"core\.hookspath", os.devnull),
    (r"core\.pager|pager\..+", "cat"),
    (r"core\.editor|sequence\.editor", "false"),
    (r"core\.(sshcommand|askpass)", ""),
    (r"core\.alternaterefscommand|trailer\..+\.(cmd|command)|gc\.recentobjectshook|hook\..+\.command", "true"),
    (r"credential\.(.+\.)?helper", ""),
    (r"diff\..+\.textconv|interactive\.difffilter", "cat"),
    (r"diff\.external|diff\..+\.command|merge\..+\.driver|gpg\.(.+\.)?program|gpg\.ssh\.defaultkeycommand", "false"),
    (r"((diff|merge)tool|guitool|browser|man)\..+\.(cmd|path)|instaweb\.(httpd|browser)|imap\.tunnel", "false"),
    (r"sendemail\.(.+\.)?(sendmailcmd|smtpserver|tocmd|cccmd|headercmd)", "false"),
    (r"tar\.(tar\.gz|tgz)\.command", "gzip -cn"),
    (r"tar\..+\.command", "false"),
    (r"filter\..+\.(clean|smudge|process)", ""),
    (r"remote\..+\.uploadpack", "git-upload-pack"),
    (r"remote\..+\.receivepack", "git-receive-pack"),
    (r"submodule\..+\.update", "checkout"),
    (r"core\.gitproxy|remote\..+\.vcs|url\..+\.(pushinsteadof|insteadof)", None),
)
_KNOWN = [(re.compile(pattern), value) for pattern, value in _HARMLESS]
# Asking git takes a process; most checkouts have none of these words.
_MAY_NAME = re.compile(
    rb"alias|fsmonitor|hookspath|pager|editor|command|proxy|askpass|helper|textconv|external|driver|cmd|program|clean"
    rb"|smudge|process|pack|vcs|insteadof|include|update|filter|hook|path|httpd|browser|tunnel|smtpserver",
    re.IGNORECASE,
)


def settings(root: Path) -> dict[str, str | None]:
    """Return the settings of the checkout's own that name a program, each with a value by which none is run.

    Raises:
        InfrastructureError: its `.git` leads to no repo.
    """
    found = git_dir(root)
    if found is None:
        return {}
    files = (common_dir(found) / "config", found / "config.worktree")
    if not any(_MAY_NAME.search(file.read_bytes()) for file in files if file.is_file()):
        return {}
    env = {**environment(None), "GIT_DIR": str(found)}
    done = proc.run(["git", "config", "--show-scope", "--includes", "--null", "--list"], env=env, cwd=found)
    words = done.stdout.split("\0")
    named = {}
    for scope, entry in zip(words[::2], words[1::2], strict=False):
        for key, value in porcelain.parse_config(entry) if scope in _OWN else ():
            harmless = next(((word,) for pattern, word in _KNOWN if pattern.fullmatch(key)), None)
            if harmless and not _is_plain(key, value, harmless[0]):
                named[key] = harmless[0]
    return named


def hooks(root: Path) -> list[str]:
    """Return the names of the hooks in the checkout's own directory of them, without git's examples.

    Raises:
        InfrastructureError: its `.git` leads to no repo.
    """
    found = git_dir(root)
    place = common_dir(found) / "hooks" if found else None
    if place is None or not place.is_dir():
        return []
    return sorted(file.name for file in place.iterdir() if file.suffix != ".sample" and os.access(file, os.X_OK))


def user_command_environment(root: Path) -> dict[str, str]:
    """Return the environment for a command of the user's in the checkout at `root`.

    Git that is run by it finds the checkout by itself, asks nobody anything, and runs no program that is named by a
    setting that we know to do so, of the checkout's own or of a submodule's in it.

    Raises:
        InfrastructureError: its `.git` leads to no repo.
    """
    named: dict[str, str | None] = {}
    filtered: dict[str, str] = {}
    for entered in _may_be_entered(root):
        named |= settings(entered)
        found = git_dir(entered)
        filtered |= filters(found) if found else {}
    more = []
    for key, harmless in named.items():
        own = users_own(key)
        # An empty one ends the list of those before it.
        more += [(key, "")] if own and key.endswith(".helper") else []
        more += [(key, own or harmless)] if harmless is not None else []
    more += filtered.items()
    network = network_environment()
    kept = ("GIT_ALLOW_PROTOCOL", "GIT_ASKPASS", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "GCM_INTERACTIVE")
    env = {
        **environment(git_dir(root), more, steady=False),
        **{name: network[name] for name in (*kept, "GIT_SSH_COMMAND")},
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "GIT_PAGER": "cat",
    }
    env.setdefault("GIT_EDITOR", "false")  # there is nobody to edit
    others = {name: value for name, value in env.items() if name not in _OURS_ALONE}
    return {**others, **{name: os.environ[name] for name in _OURS_ALONE[2:] if name in os.environ}}


def _may_be_entered(root: Path) -> Iterator[Path]:
    """Yield the checkout at `root`, and those of the submodules in it that git may look into, however deep."""
    waiting = [root]
    seen: set[Path] = set()
    while waiting:
        here = waiting.pop()
        try:
            found = git_dir(here)
        except InfrastructureError:
            if here == root:
                raise
            continue  # git, too, finds no repo there
        if found is None or found in seen:
            continue
        seen.add(found)
        yield here
        with suppress(InfrastructureError):  # an index that can not be read leads git nowhere
            waiting += [here / path for path in gitlinks(here)]


def _is_plain(key: str, value: str, harmless: str | None) -> bool:
    """Say whether a setting that may name a program does not: `true` of a monitor is git's own."""
    if key.startswith("submodule."):
        return not value.lstrip().startswith("!")
    if key == "core.fsmonitor" or key.startswith("pager."):
        return value.lower() in ("true", "false", "yes", "no", "on", "off", "0", "1")
    return value in ("", harmless)
