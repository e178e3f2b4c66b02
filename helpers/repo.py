"""The only door to git. A checkout is a stranger's data: nothing that it names is run by looking at it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from helpers import proc
from helpers.errors import InfrastructureError, PolicyError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.model.porcelain import Status

# `git` commands that hooks run in export these; they would point us at another repo than the one asked for.
_FOREIGN = (
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
# Nothing is written, nobody is asked. A partial clone fetches what it lacks, by programs that its configuration names
# (core.sshCommand, remote.*.uploadpack, ext::): the one variable stops that from git 2.45 on, the other one in each.
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
_MAY_FILTER = re.compile(rb"filter|include", re.IGNORECASE)
_OF_THE_REPO = ("local", "worktree")
_GITLINK_MODE = (0o160000).to_bytes(4, "big")
_NETWORK_SECONDS = 10


def find_root(start: Path) -> Path:
    """Return the root of the checkout that `start` lies in, without asking git.

    Raises:
        UsageError: `start` is not inside a git checkout.
    """
    for directory in (start, *start.parents):
        if (directory / ".git").exists():
            return directory
    raise UsageError("not inside a git checkout", where=start, fix="cd into a checkout that has helpers in it")


def files(root: Path, *patterns: str) -> list[Path]:
    """Return the absolute paths of the tracked and untracked, not ignored, files of `root` that match a pattern.

    Arguments:
        root: root of a checkout; submodules and repos nested in it are not entered.
        patterns: globs as in git's `:(glob)` pathspecs, such as `**/changelog.txt`.

    Raises:
        InfrastructureError: git fails.
    """
    specs = [f":(glob){pattern}" for pattern in patterns]
    out = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *specs)
    return [root / name for name in out.split("\0") if name]


def tracked(directory: Path) -> list[Path]:
    """Return the absolute paths of the files below `directory` that git tracks and that are there.

    Raises:
        InfrastructureError: git fails.
    """
    out = _git(directory, "ls-files", "-z", "--cached", "--", ".")
    paths = [directory / name for name in out.split("\0") if name]
    return [path for path in paths if path.exists() or path.is_symlink()]


def commit(root: Path) -> tuple[str, int]:
    """Return the id of the commit that is checked out, and when it was made, in seconds since 1970.

    Raises:
        InfrastructureError: git fails.
        UsageError: there is no commit yet.
    """
    try:
        name, seconds = _git(root, "log", "-1", "--format=%H %ct").split()
    except InfrastructureError:
        raise UsageError("has no commit yet", where=root, fix="git add --all && git commit") from None
    return name, int(seconds)


def changes(root: Path) -> list[str]:
    """Return the changed and untracked paths of a checkout, relative to its root; none when it is clean.

    Raises:
        InfrastructureError: git fails.
    """
    # The status of a submodule would be asked by git itself, which knows nothing of that repo's filters.
    out = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=normal", "--ignore-submodules=dirty")
    found = [entry[3:] for entry in out.split("\0") if len(entry) > 3]
    inside = [path for path in gitlinks(root) if path not in found and submodule_at(root, path)]
    return [*found, *(path for path in inside if changes(root / path))]


def version() -> str:
    """Return what git says of its version; empty when there is no git."""
    import shutil  # brings every format of archives; most commands do without it

    return proc.run(["git", "--version"], timeout=5).stdout.strip() if shutil.which("git") else ""


def work_trees(root: Path) -> tuple[Path, ...]:
    """Return all directories that git needs to see to work in `root`.

    That is the outermost super-repo when `root` is a submodule, and the repo that keeps the objects when it is a linked
    worktree (https://git-scm.com/docs/git-worktree). The first one contains `root`.
    """
    if (root / ".git").is_dir():
        return (root,)
    common = _git(root, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n")
    above = _git(root, "rev-parse", "--show-superproject-working-tree").rstrip("\n")
    trees = list(work_trees(Path(above))) if above else [root]
    if not any(Path(common).is_relative_to(tree) for tree in trees):
        trees.append(Path(common))
    return tuple(trees)


def git_dir(root: Path) -> Path | None:
    """Return where git keeps the repo that is checked out at `root` itself; None when there is none.

    It is read without asking git, which would answer for the repo around `root`.

    Raises:
        InfrastructureError: there is a `.git`, and it leads to no repo.
    """
    mark = root / ".git"
    found = mark
    if mark.is_file():
        # https://git-scm.com/docs/gitrepository-layout
        found = root / _text(mark).removeprefix("gitdir: ")
    elif not mark.is_dir():
        return None
    # HEAD may be a symlink to a branch that has no commit yet.
    if not os.path.lexists(found / "HEAD") or not (_common(found) / "objects").is_dir():
        raise InfrastructureError("its .git leads to no repo", where=root, fix=f"git -C {root} status  (says more)")
    return Path(os.path.realpath(found))


def submodule_at(root: Path, path: str) -> Path | None:
    """Return where git keeps the submodule at `path` of the checkout at `root`; None when it is not checked out.

    Raises:
        PolicyError: there is something else, which is not entered.
        InfrastructureError: its `.git` leads to no repo.
    """
    steps = [root.joinpath(*Path(path).parts[: count + 1]) for count in range(len(Path(path).parts))]
    if link := next((step for step in steps if step.is_symlink()), None):
        raise PolicyError("a submodule's path leads through a symlink", where=link, fix="remove the symlink")
    found = git_dir(root / path)
    if found and found == git_dir(root):
        raise PolicyError("a submodule's .git is that of its super-repo", where=root / path)
    return found


def status(root: Path) -> Status:
    """Return what is checked out at `root`, and what is changed there; submodules are not entered.

    Raises:
        InfrastructureError: git fails.
    """
    from helpers.model import porcelain

    # Renames are not looked for: that reads whole files, by way of their filters.
    options = ("--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames", "--ahead-behind")
    return porcelain.parse_status(_look(root, "status", "--porcelain=v2", "--branch", "-z", *options))


def gitlinks(root: Path) -> dict[str, str]:
    """Return the commit that the index of the checkout at `root` records for each submodule, by its path.

    Raises:
        InfrastructureError: git fails.
    """
    from helpers.model import porcelain

    if not _may_have_gitlinks(root):
        return {}
    return porcelain.parse_gitlinks(_look(root, "ls-files", "--stage", "-z"))


def _may_have_gitlinks(root: Path) -> bool:
    """Say whether asking git for submodules can be worth a process: most checkouts have none.

    A mode stands in the index as four bytes, in every version of its format (https://git-scm.com/docs/index-format).
    """
    found = git_dir(root)
    if found is None:
        return False
    files = [found / "index", *found.glob("sharedindex.*")]
    return any(_GITLINK_MODE in file.read_bytes() for file in files if file.is_file())


def gitmodules(root: Path) -> list[tuple[str, str]]:
    """Return the settings in `.gitmodules` of the checkout at `root`; what it includes is not read.

    Raises:
        InfrastructureError: it is no plain file, or not in git's format.
    """
    from helpers.model import porcelain

    file = root / ".gitmodules"
    if not file.is_symlink() and not file.exists():
        return []
    if file.is_symlink() or not file.is_file():
        raise InfrastructureError("is no plain file, and is not read", where=file, fix="git checkout -- .gitmodules")
    return porcelain.parse_config(_look(root, "config", "--file", str(file), "--no-includes", "--null", "--list"))


def remote_url(root: Path) -> str:
    """Return the URL of the remote that relative URLs of submodules are meant by; empty when there is none.

    It is that of the branch that is checked out, or else `origin` (https://git-scm.com/docs/git-submodule).

    Raises:
        InfrastructureError: git fails.
    """
    from helpers.model import git_url, porcelain

    settings = porcelain.parse_config(_look(root, "config", "--null", "--list"))
    found = git_dir(root)
    branch = _text(found / "HEAD").removeprefix("ref: refs/heads/") if found else ""
    remote = porcelain.subsections(settings, "branch").get(branch, {}).get("remote", "origin")
    url = porcelain.subsections(settings, "remote").get(remote, {}).get("url", "")
    return os.path.normpath(root / url) if git_url.is_relative(url) else url


def is_pushed(root: Path, pin: str) -> bool | None:
    """Say whether some remote of the checkout at `root` has the commit `pin`, as last fetched; None if it is not here.

    Raises:
        InfrastructureError: git does not answer.
    """
    if pin in _remote_tips(root):
        return True
    try:
        return not _look(root, "rev-list", "-1", pin, "--not", "--remotes")
    except InfrastructureError:
        _look(root, "rev-parse", "--git-dir")  # a repo that can not be read at all is another matter
        return None


def _remote_tips(root: Path) -> set[str]:
    """Return the commits of the remote-tracking branches that stand in plain files, which is a process less to start.

    https://git-scm.com/docs/gitrepository-layout: one with a file of its own counts, whatever `packed-refs` says of it.
    """
    found = git_dir(root)
    if found is None:
        return set()
    common = _common(found)
    tips, packed = set(), common / "packed-refs"
    for line in packed.read_text("utf-8", "replace").splitlines() if packed.is_file() else ():
        commit, _, name = line.partition(" ")
        if name.startswith("refs/remotes/") and not (common / name).exists():
            tips.add(commit)
    loose = (file for file in (common / "refs" / "remotes").rglob("*") if file.is_file())
    return tips | {file.read_text("utf-8", "replace").strip() for file in loose}


@cache
def local_allowed() -> bool:
    """Say whether the user's own configuration lets git fetch from paths on this machine (`protocol.file.allow`)."""
    return _users_own("protocol.file.allow") == "always"


def unreachable(urls: Sequence[str]) -> dict[str, str]:
    """Ask each of `urls` whether it answers; return why not, for those that did not.

    The URLs were found good by `git_url.refusal`. No checkout's configuration counts, nobody is asked anything.

    Raises:
        InfrastructureError: there is no git.
    """
    ssh = os.environ.get("GIT_SSH_COMMAND") or _users_own("core.sshCommand") or "ssh"
    env = {
        **_environment(None),
        "GIT_DIR": os.devnull,
        "GIT_ALLOW_PROTOCOL": "https:ssh:file" if local_allowed() else "https:ssh",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_SSH_COMMAND": f"{ssh} -o BatchMode=yes",
    }
    commands = [["git", "ls-remote", "--quiet", "--", url, "HEAD"] for url in urls]
    ended = proc.together(commands, cwd=Path("/"), env=env, seconds=_NETWORK_SECONDS)
    return {url: _first_words(done.stderr) for url, done in zip(urls, ended, strict=True) if done.code}


def _first_words(text: str) -> str:
    """Return the line that says why: the last one is git's general advice, warnings come first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.lower().startswith("warning")]
    return (told or lines or ["no reason given"])[0].removeprefix("fatal: ")


def _users_own(key: str) -> str:
    """Return a setting of the user's and the machine's own configuration; empty if it is not set."""
    env = {**_environment(None), "GIT_DIR": os.devnull}
    return proc.run(["git", "config", "--get", key], cwd=Path("/"), env=env).stdout.rstrip("\n")


def _look(root: Path, *arguments: str) -> str:
    """Ask the repo that is checked out at `root` and no other one: git is told which, and may not search above."""
    found = git_dir(root)
    if found is None:
        raise InfrastructureError("no repo is checked out", where=root, fix="git submodule update --init")
    env = {**_environment(found), "GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_WORK_TREE": str(root)}
    # A repo of another user git refuses only when it finds it by itself (safe.directory in git-config).
    if os.stat(found).st_uid == os.geteuid():
        env["GIT_DIR"] = str(found)
    return _answer(root, env, arguments)


def _git(root: Path, *arguments: str) -> str:
    above = next((directory for directory in (root, *root.parents) if (directory / ".git").exists()), None)
    try:
        found = git_dir(above) if above else None
    except InfrastructureError:
        found = None  # git says itself what is wrong with it
    return _answer(root, _environment(found), arguments)


def _answer(root: Path, env: Mapping[str, str], arguments: Sequence[str]) -> str:
    done = proc.run(["git", "--no-pager", "-C", str(root), *arguments], env=env)
    if done.code:
        raise InfrastructureError(f"git {arguments[0]} failed: {done.reason}", where=root)
    return done.stdout


def _environment(found: Path | None) -> dict[str, str]:
    """Return the environment in which git looks at the repo kept at `found`, and runs nothing that this repo names."""
    env = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    # Given this way a name may hold "="; `-c` would cut it there. They come after the user's own of this kind.
    given = env.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdigit() else 0
    settings = [*_HARMLESS, *(_filters(found) if found else [])]
    for number, (key, value) in enumerate(settings, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**env, **_QUIET, "GIT_CONFIG_COUNT": str(first + len(settings))}


def _filters(found: Path) -> list[tuple[str, str]]:
    """Return settings that put the user's own filters, or none, in place of those that the repo kept at `found` names.

    `git status` gives a file to its filter when it may have changed (https://git-scm.com/docs/gitattributes#_filter).
    """
    files = (_common(found) / "config", found / "config.worktree")
    # Asking git takes as long as a whole `git status`, and neither word can be written otherwise in its format.
    if not any(_MAY_FILTER.search(file.read_bytes()) for file in files if file.is_file()):
        return []
    from helpers.model import porcelain

    env = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    arguments = ("config", "--show-scope", "--includes", "--null", "--get-regexp", r"^filter\.")
    done = proc.run(["git", *arguments], env={**env, **_QUIET, "GIT_DIR": str(found)}, cwd=found)
    # Every entry follows its scope.
    words = done.stdout.split("\0")
    own: dict[str, str] = {}
    replaced: dict[str, str] = {}
    for scope, entry in zip(words[::2], words[1::2], strict=False):
        for key, value in porcelain.parse_config(entry):
            if scope in _OF_THE_REPO:
                # Only these: an empty `process` alone would keep the user's own `clean` from running.
                replaced[key] = "false" if key.endswith(".required") else ""
            else:
                own[key] = value
    return [(key, own.get(key, nothing)) for key, nothing in replaced.items()]


def _common(found: Path) -> Path:
    """Return the directory that a linked worktree shares with its repo; otherwise `found` itself."""
    pointer = found / "commondir"
    return found / _text(pointer) if pointer.is_file() else found


def _text(file: Path) -> str:
    """Return the path that a file of git's holds, read as git reads it: what it strips is not ours to choose."""
    return os.fsdecode(file.read_bytes()).rstrip("\r\n")
