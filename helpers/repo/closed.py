"""The environment in which git runs nothing that a repo names; with few imports, for the memo of a whole run."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# `git` commands that hooks run in export these; they would point us at another repo than the one asked for.
FOREIGN = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE"),
)
# What the commands here would run of a repo's configuration (https://git-scm.com/docs/git-config): a monitor of files,
# hooks (`post-index-change`), gpg for `git log`; and a bare repo that lies in a checkout is never taken for one.
_HARMLESS = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("log.showSignature", "false"),
    ("safe.bareRepository", "explicit"),
)
# The setting by which git reads no attributes but the repo's own.
NO_ATTRIBUTES = ("core.attributesFile", os.devnull)
# Nothing is written, nobody is asked. A partial clone fetches what it lacks, by programs that its configuration names
# (core.sshCommand, remote.*.uploadpack, ext::): the one variable stops that from git 2.45 on, the other one in each.
QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    # History as it was committed: a pin must be right for a clone without these replacements and grafts.
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": f"{os.devnull}/none",
}


def environment(more: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the environment in which git runs nothing that a repo names, filters apart.

    Arguments:
        more: settings that count more than any configuration.
    """
    env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    # Given this way a name may hold "="; `-c` would cut it there. They come after the user's own of this kind.
    given = env.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdigit() else 0
    settings = [*_HARMLESS, *more]
    for number, (key, value) in enumerate(settings, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    # Without the attributes of the user also without those of the system, for which there is no setting.
    system = {"GIT_ATTR_NOSYSTEM": "1"} if NO_ATTRIBUTES in more else {}
    return {**env, **QUIET, **system, "GIT_CONFIG_COUNT": str(first + len(settings))}


def only_of(env: dict[str, str], root: str, found: str) -> dict[str, str]:
    """Return `env` for the checkout at `root` and no other one: git is told which, and may not search above.

    Arguments:
        env: as `environment` returns it.
        root: of the checkout.
        found: where git keeps the repo.
    """
    env |= {"GIT_CEILING_DIRECTORIES": os.path.dirname(root), "GIT_WORK_TREE": root}
    # A repo of another user git refuses only when it finds it by itself (safe.directory in git-config).
    if os.stat(found).st_uid == os.geteuid():
        env["GIT_DIR"] = found
    return env


def command(root: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line that asks git about the checkout at `root`."""
    return ["git", "--no-pager", "-C", root, *arguments]
