"""Tasks on a super-repo and its submodules."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, after_dashes, helpers_task

GROUP = Group.REPOS


@helpers_task(
    values={"name": "PATH"},
    help={
        "name": "path, from the root, of a first runnable dir to make, and its image's name; `.`: of the code there",
        "python": "the Python of that one, as in 3.11",
        "registry": "HOST[:PORT][/PATH] that images are pushed to",
        "overwrite": "replace files of yours where helpers needs its own; yours are kept as NAME.orig",
        "dry-run": "say what would be done, and do nothing",
    },
)
def repo_init(
    _: Any,
    name: str = "",
    python: str = "",
    registry: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> int:
    """Make a repo with the submodule helpers ready to use.

    Adds the shims main_pytest.py, tasks.py, invoke.yaml and dev_scripts/setenv.sh, lines to .gitignore, and the
    settings in pyproject.toml; in a terminal, without options, it asks for what is not set yet. Nothing of yours is
    replaced without --overwrite, and a second time changes nothing. Where there is no tasks.py yet, it is started by:
    python3 helpers/thin_env/bootstrap.py init
    Helpers may lie at another path that ends in helpers, as tools/helpers: init writes it into the shims.
    """
    import sys

    from helpers.repos import init

    ask = input if sys.stdin.isatty() else None
    return init.main(name=name, python=python, registry=registry, overwrite=overwrite, dry_run=dry_run, ask=ask)


@helpers_task(
    values={"dir": "PATH"},
    help={
        "dir": "where the example goes: a path that does not exist, or an empty directory",
        "dry-run": "say what would be made, and make nothing",
    },
)
def repo_example(_: Any, dir: str, dry_run: bool = False) -> int:
    """Lay out several repos to try these commands on.

    DIR/shop is a super-repo: helpers, a library without any file of helpers, two repos with runnable dirs whose
    dependencies exclude each other, and a repo that gives no access. Their origins are bare repos in DIR/origins. The
    commands to try are printed at the end; docs/tutorial.md explains them. Nothing outside of DIR is changed.
    """
    from helpers.repos import example

    return example.main(dir, dry_run=dry_run)


@helpers_task(
    help={
        "json": "print data for another program",
        "check": "exit code 1 when a repo has any state but ok",
        "offline": "ask no remote: 'not checked out' is then not told apart from 'no access'",
    }
)
def repo_status(_: Any, json: bool = False, check: bool = False, offline: bool = False) -> int:
    """Show the state of the super-repo and its submodules.

    From anywhere inside. ahead, behind and 'pin not pushed' compare with what was last fetched ('git fetch
    --recurse-submodules' first). The pin is the commit that the super-repo records. Nothing is changed, nothing that
    a repo's own configuration names is run, and only remotes of submodules that are not checked out are asked.
    """
    from helpers.repos import status

    return status.main(as_json=json, check=check, offline=offline)


@helpers_task(help={"dry-run": "fetch, say what would be done, and change nothing else"})
def repo_pull(_: Any, dry_run: bool = False) -> int:
    """Pull the super-repo, and set each submodule to its pin.

    The outermost super-repo is fast-forwarded, never merged or rebased; then each submodule goes to the commit that
    its super-repo records: a branch by fast-forward, a detached HEAD where nothing is lost by it, one that is not
    checked out by a clone. What can not go there is left as it is and named, with the command that mends it (exit
    code 4), and so is what does not answer (6); the rest goes on. Run it again whenever it was ended.
    """
    from helpers.repos import pull

    return pull.main(dry_run=dry_run)


@helpers_task(
    values={"only": "PATH"},
    help={
        "only": "path of one submodule from the outermost super-repo, or `helpers`: its pin and those above it",
        "push": "push the commits, each submodule before its super-repo, never by force",
        "dry-run": "fetch, say what would be done, and change nothing else",
        "no-test": "commit a new helpers without running the tests of the repo with it",
    },
)
def repo_roll_forward(_: Any, only: str = "", push: bool = False, dry_run: bool = False, no_test: bool = False) -> int:
    """Move all pins to the newest commits, and commit them.

    Each submodule goes to the newest commit of the branch that .gitmodules names for it, or else of its remote's own
    branch; deepest first. A commit holds the pins and nothing else of what is staged or changed, and lists the
    commits between. A sub-repo that several super-repos share gets the same commit everywhere. What can not move is
    left as it is and named, with the command that mends it (exit code 4), and so is what does not answer (6); the
    rest goes on. Run it again whenever it was ended: it goes on where it was.

    Where helpers itself moves, its changelog is shown, what it changed in the common files is merged as by
    sync_update, and the tests are run; all of it is one commit. Conflicts and failing tests end with 1 before that:
    mend them, and give the command again.
    """
    from helpers.repos import roll_forward

    return roll_forward.main(only=only, push=push, dry_run=dry_run, test=not no_test)


@helpers_task(
    help={
        "name": "of the branch",
        "every-repo": "in every repo, and not only where there is work",
        "dry-run": "say what would be done, and do nothing",
    }
)
def repo_branch(_: Any, name: str, every_repo: bool = False, dry_run: bool = False) -> int:
    """Make or check out one branch in all repos that need it.

    These are the repos with changed or new files, those whose commit is not their pin, all that lie around such a
    one, and the outermost always. A new branch begins at what is checked out, so that no file changes; one that is
    there, here or on the remote, is checked out where that is a step forward. When one of the repos can not, nothing
    is done in any (exit code 4).
    """
    from helpers.repos import branch

    return branch.main(name, everywhere=every_repo, dry_run=dry_run)


@helpers_task(
    values={"from": "PATH", "skip": "PATH"},
    words="COMMAND [WORD]...",
    help={
        "keep-going": "run it in the other repos after a failure, too",
        "from": "path of the repo to begin with, such as the one that failed",
        "skip": "path of a repo that is left out, such as helpers; may be given again",
    },
    iterable=["skip"],
)
def repo_foreach(_: Any, skip: Any = None, keep_going: bool = False, from_: str = "") -> int:
    """Run one command in every repo.

    Each submodule comes before its super-repo; no shell reads CMD, and it has nothing to read: invoke repo_foreach --
    git switch main. A repo that has no file ./CMD is skipped. It stops at the first failure. The exit code is 1 when
    CMD failed, 8 when a signal ended it, 2 when it can not be started, and 4 or 6 when a repo could not be entered,
    which is named. Git in CMD runs no hooks and nothing else that a repo's
    own configuration names, and asks nobody.
    """
    from helpers.repos import foreach

    return foreach.main(after_dashes(), keep_going=keep_going, start=from_, skip=skip or ())
