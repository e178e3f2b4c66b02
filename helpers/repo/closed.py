"""The environment in which git runs nothing that a repo names; with few imports, for the memo of a whole run."""

from __future__ import annotations

import os

from helpers.model.number import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# `git` commands that hooks run in export these; they would point us at another repo than the one asked for.
FOREIGN = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_QUARANTINE_PATH"),
    # Settings of `git -c`: git reads them after ours.
    *("GIT_CONFIG_PARAMETERS", "GIT_INTERNAL_SUPER_PREFIX"),
)
# Variables of the user that would change the meaning of our arguments, or of output.
_DISTORTING = (
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
    *("GIT_ATTR_SOURCE", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_REFLOG_ACTION", "GIT_REPLACE_REF_BASE"),
    *("GIT_DEFAULT_HASH", "GIT_CURL_VERBOSE", "GIT_ADVICE", "LANGUAGE"),
)
_TRACE = "GIT_TRACE"
# What the commands here would run of a repo's configuration (https://git-scm.com/docs/git-config): a monitor of files,
# hooks (`post-index-change`), gpg for `git log`; and a bare repo that lies in a checkout is never taken for one.
_HARMLESS = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("log.showSignature", "false"),
    ("safe.bareRepository", "explicit"),
)
# Settings of the user and of the system that would change the bytes of input or of commits, each with the reason.
# Left to the user, because they say how files are stored on this machine, or the signatures: core.autocrlf, core.eol,
# core.attributesFile and filters, core.excludesFile, url.*.insteadOf, init.templateDir, user.*, http.*, credential.*.
_STEADY = (
    ("i18n.logOutputEncoding", "UTF-8"),  # messages and names that we read, and write into other commits
    ("i18n.commitEncoding", "UTF-8"),  # a header of each commit that we make
    ("core.quotePath", "false"),  # paths in messages of git, which we hand on
    ("color.ui", "false"),  # escapes between the words that we read; each of the following counts more than it
    *((f"color.{part}", "false") for part in ("advice", "branch", "diff", "remote", "status", "transport")),
    ("column.ui", "never"),  # lists that we read line by line
    ("log.decorate", "false"),  # names of branches behind a commit's id
    ("log.follow", "false"),  # commits outside of the range
    ("log.mailmap", "false"),  # another author than the one of the commit
    ("status.showStash", "false"),  # a header of the status
    ("status.renames", "false"),  # which paths a status names; so does the next one
    ("diff.renames", "false"),
    ("diff.ignoreSubmodules", "none"),  # pins that a look would not see
    ("diff.orderFile", os.devnull),  # the order of paths
    ("core.safecrlf", "false"),  # a commit that fails because of the line ends of a file
    ("merge.ff", "true"),  # a merge commit where a branch goes forward
    ("fetch.prune", "false"),  # refs removed unasked, also by the next setting
    ("fetch.pruneTags", "false"),
    ("fetch.recurseSubmodules", "false"),  # repos that a fetch would enter by itself
    ("fetch.writeCommitGraph", "false"),  # a file more among the objects of a checkout
    ("push.default", "nothing"),  # unnamed branches, tags and repos, also by the next settings
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
    ("push.gpgSign", "false"),  # a push that asks for a key
    ("push.pushOption", ""),  # a push that a plain server refuses
    ("submodule.recurse", "false"),  # repos that a checkout would change by itself; so does the next one
    ("submodule.propagateBranches", "false"),
    ("init.defaultRefFormat", "files"),  # where the refs of a clone are, which we read
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


def environment(more: Sequence[tuple[str, str]] = (), *, steady: bool = True) -> dict[str, str]:
    """Return the environment in which git runs nothing that a repo names, filters apart.

    Arguments:
        more: settings that count more than any configuration.
        steady: whether our reads and writes ignore the settings of the user; not for a command of the user.
    """
    env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    if steady:
        traced = [name for name, value in env.items() if name.startswith(_TRACE) and not value.startswith("/")]
        for name in (*_DISTORTING, *traced):
            env.pop(name, None)
        # Messages of errors are read, too; and refs of a clone are files.
        env |= {"LC_ALL": "C", "GIT_DEFAULT_REF_FORMAT": "files"}
    # Given this way a name may hold "="; `-c` would cut it there. They come after the user's own of this kind.
    # More do not fit into an environment.
    first = whole(env.get("GIT_CONFIG_COUNT", ""), 1 << 20) or 0
    settings = [*_HARMLESS, *(_STEADY if steady else ()), *more]
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
