"""The home of a submodule: its URL in `.gitmodules`, even if git still has an earlier URL.

Git copies the URL into two files when it clones a submodule: into `.git/config` of the super-repo, and into the
configuration of the submodule. Git reads `.gitmodules` again only in `git submodule sync`.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from helpers.model import git_remotes, git_url, porcelain, submodule
from helpers.repo import history, network, submodules
from helpers.repo.door import look
from helpers.repo.history import Remote
from helpers.repo.location import common_dir, git_dir
from helpers.repos.place import Place, submodule_command
from helpers.repos.step import LEFT, Step, git_at

_PLAIN = re.compile(rb'\[remote "([A-Za-z0-9_-]+)"\]\n\turl = ([^\s"\\;#]+)\n')
_NOT_PLAIN = re.compile(rb"include|worktreeconfig", re.IGNORECASE)


def remote(place: Place) -> Remote:
    """Return the remote of the checkout at a place; for a submodule the remote with the declared URL.

    Raises:
        InfrastructureError: git fails.
    """
    return history.remote(place.root, place.sub.url if place.sub else "")


def plain_remote(place: Place) -> str:
    """Return the name of the only remote at a place if the remote has the declared URL; empty if git must be asked.

    Most checkouts are like this, and a file is read faster than git answers.
    """
    found = git_dir(place.root)
    file = common_dir(found) / "config" if found else None
    text = file.read_bytes() if file and file.is_file() else b""
    only = _PLAIN.search(text)
    if place.sub is None or only is None or text.count(b"[remote") != 1 or _NOT_PLAIN.search(text):
        return ""
    return only[1].decode() if git_url.same(only[2].decode("utf-8", "replace")) == git_url.same(place.sub.url) else ""


def difference(place: Place, remote: Remote) -> str:
    """Return how the remote of a checkout differs from its home; empty for the home itself and for the outermost repo.

    `url.*.insteadOf` of the user's own configuration counts for both: this is how a user names a mirror.

    Raises:
        InfrastructureError: there is no git.
    """
    if place.sub is None or not place.sub.url or not place.sub.anchored:
        return ""
    if git_url.same(place.sub.url) == git_url.same(remote.url):
        return ""
    if remote.url and remote.why_not and not remote.partial:
        return remote.why_not  # git is never given such a URL, not even to rewrite it
    asked, declared = (git_url.same(network.effective(url)) if url else "" for url in (remote.url, place.sub.url))
    if asked == declared:
        return ""
    has = f"its remote {remote.name} is {git_url.masked(remote.url)}" if remote.url else "it has no remote"
    return f"{has}, .gitmodules names {git_url.masked(place.sub.url)}"


def other(place: Place, remote: Remote) -> Step | None:
    """Return the message about a skipped submodule with another remote than its home; None for the home.

    Raises:
        InfrastructureError: git fails.
    """
    why = difference(place, remote)
    return Step(place.path, LEFT, why, fix(place, remote)) if why else None


def undeclared(place: Place) -> Step | None:
    """Return the message about a forbidden pin: the last commit has another URL, or no URL, for the submodule.

    A commit of pins does not hold `.gitmodules`, so a clone of this commit would ask the URL of the last commit.

    Raises:
        InfrastructureError: git fails.
    """
    assert place.sub is not None
    entries = submodule.read({}, submodules.gitmodules_of(place.parent, "HEAD"))
    committed = next((entry.url for entry in entries if entry.path == place.sub.path), "")
    now = submodule.read({}, submodules.gitmodules(place.parent))
    here = next((entry.url for entry in now if entry.path == place.sub.path), "")
    if committed and (committed == here or git_url.same(committed) == git_url.same(here)):
        return None
    what = f"the URL in .gitmodules is not committed: {git_url.masked(here)}, before {git_url.masked(committed) or '-'}"
    commands = ("add .gitmodules", "commit --message 'URL of a submodule' -- .gitmodules")
    return Step(place.path, LEFT, what, " && ".join(f"{place.git_above} {words}" for words in commands))


def fix(place: Place, remote: Remote) -> str:
    """Return the command that gives a submodule the remote, the branches and the commit of its home.

    Raises:
        InfrastructureError: git fails.
    """
    assert place.sub is not None
    sub, git, name = place.sub, git_at(place.path), remote.name or git_remotes.USUAL
    steps = [submodule_command(place, "sync --recursive")]
    if not remote.url:
        steps = [f"{git} remote add {name} {shlex.quote(sub.url)}"]
    elif name != _synced(place.root):
        # `git submodule sync` would write the URL to another remote.
        key = shlex.quote(f"submodule.{sub.name}.url")
        steps = [
            f"{place.git_above} config {key} {shlex.quote(sub.url)}",
            f"{git} remote set-url {name} {shlex.quote(sub.url)}",
        ]
    elif not _is_registered(place):
        steps = [submodule_command(place, "init"), *steps]
    # Branches of the earlier home must not count as fetched from the new home.
    return " && ".join([*steps, f"{git} fetch --prune {name}", submodule_command(place, "update --init --recursive")])


def _synced(root: Path) -> str:
    """Return the remote whose URL `git submodule sync` writes."""
    settings = porcelain.parse_config(look(root, "config", "--null", "--list"))
    on = history.current_branch(root)
    return porcelain.subsections(settings, "branch").get(on, {}).get("remote", git_remotes.USUAL)


def _is_registered(place: Place) -> bool:
    """Say whether `git submodule` acts on a submodule."""
    assert place.sub is not None
    settings = porcelain.parse_config(look(place.parent, "config", "--null", "--list"))
    entry = porcelain.subsections(settings, "submodule").get(place.sub.name, {})
    return "url" in entry and entry.get("active", "true") != "false"
