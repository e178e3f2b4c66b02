"""`invoke sync_status` and `sync_update`: the common files of a super-repo and the templates of helpers, in step."""

from __future__ import annotations

import difflib
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.console import paint, print_rows, printable, say
from helpers.errors import DIFFERENT, OK, TESTS_FAILED, InfrastructureError, PolicyError, UsageError
from helpers.model import sync_lock
from helpers.model.sync_lock import CONFLICT, Merged
from helpers.repo import merging
from helpers.repo.location import git_in
from helpers.repos import shared_files, sync_state
from helpers.repos.shared_files import PACKAGE, Template, Write
from helpers.repos.sync_state import Item, State

# How the sides of a conflict are called in the file.
_OURS, _THEIRS = "yours", "template of helpers"


@dataclass(frozen=True)
class Outcome:
    """What becomes of one common file.

    Arguments:
        item: the file.
        word: what is done, for the user.
        after: its content then; None where the file is not touched.
        conflict: whether conflicts are in it then.
        forget: whether its record goes.
        aside: whether the user's is kept as NAME.orig.
    """

    item: Item
    word: str
    after: bytes | None = None
    conflict: bool = False
    forget: bool = False
    aside: bool = False

    @property
    def beside(self) -> bool:
        """Whether the conflicts are not in the file, but in the merge beside it."""
        template = self.item.template
        return self.conflict and (self.item.waits or (self.after is not None and bool(template and template.shim)))


def status(*, as_json: bool, check: bool, cwd: Path | None = None, package: Path = PACKAGE) -> int:
    """Print how the common files of the repo around `cwd` stand to the templates, and return the exit code.

    Arguments:
        as_json: print data for another program.
        check: a file that is not in order makes the exit code 1.
        cwd: where the command was given.
        package: the helpers whose templates count.

    Raises:
        UsageError: `cwd` is in no repo with helpers.
        ConfigError: the setting `sync` or the record is wrong.
    """
    root = shared_files.super_repo((cwd or Path.cwd()).resolve(), package)
    items = sync_state.examine(root, package)
    bad = [item for item in items if item.state is not State.SAME]
    code = DIFFERENT if check and bad else OK
    if as_json:
        print(json.dumps({"exit_code": code, "root": str(root), "files": [item.data() for item in items]}, indent=2))
        return code
    print_rows([("file", "state", ""), *((printable(item.path), _painted(item), item.meaning) for item in items)])
    ends = f"{len(bad)} not in order; fix: invoke sync_update" if bad else "all in order"
    say(f"{'1 common file' if len(items) == 1 else f'{len(items)} common files'}, {ends}")
    return code


def _painted(item: Item) -> str:
    colour = {State.SAME: "green", State.CONFLICT: "red"}.get(item.state, "yellow")
    return paint(item.state.value, colour, sys.stdout)


def update(
    *, dry_run: bool = False, theirs: Sequence[str] = (), cwd: Path | None = None, package: Path = PACKAGE
) -> int:
    """Merge what moved in the templates into the common files of the repo around `cwd`, and return the exit code.

    Arguments:
        dry_run: print what would change, and do nothing.
        theirs: paths of which the template is taken, whatever was edited.
        cwd: where the command was given.
        package: the helpers whose templates count.

    Raises:
        UsageError: `cwd` is in no repo with helpers, or a path of `theirs` is no common file.
        ConfigError: the setting `sync` or the record is wrong.
        PolicyError: a link, or a file of the user, is where one of ours belongs.
        InfrastructureError: a template that a file was merged with before is not in the history of helpers.
    """
    root = shared_files.super_repo((cwd or Path.cwd()).resolve(), package)
    items = sync_state.examine(root, package)
    known = [item.path for item in items if item.template]
    if wrong := sorted(set(theirs) - set(known)):
        raise UsageError(f"--theirs {wrong[0]!r} is no common file", fix=f"one of: {', '.join(known)}")
    outcomes = [_outcome(item, item.path in theirs, package) for item in items]
    _show(root, outcomes)
    if dry_run:
        say("dry run, nothing is changed")
    else:
        _write(root, outcomes)
    return _judge(root, outcomes)


def _outcome(item: Item, theirs: bool, package: Path) -> Outcome:
    if item.template is None:
        return Outcome(item, "not shared any more", forget=True)
    template = item.template.content
    if item.content is None:
        return Outcome(item, "add", template)
    if theirs:
        edited = item.stored != item.template.blob_id and not item.is_unedited
        return Outcome(item, "take the template", template, aside=edited)
    if item.state is State.CONFLICT:
        return Outcome(item, "conflict", conflict=True)
    if item.state is State.SAME:
        return Outcome(item, "as it is")
    if item.state is State.YOURS:
        return Outcome(item, "keep yours")
    if item.record is None:
        return _never_recorded(item, template)
    return _merged(item, item.record, item.template, package)


def _never_recorded(item: Item, template: bytes) -> Outcome:
    """Return what becomes of a file that was there before it was shared: nobody knows what it began as."""
    assert item.content is not None
    mine = _line_ends(template, item.content)
    if item.content == mine:
        return Outcome(item, "record")
    # Such as tasks of the user's own below the shim.
    if item.content.startswith(mine):
        return Outcome(item, "keep yours")
    return _merge(item, b"", template)


def _merged(item: Item, record: Merged, template: Template, package: Path) -> Outcome:
    assert item.content is not None
    if item.is_unedited:
        return Outcome(item, "update", _line_ends(template.content, item.content))
    base = merging.blob(package, record.base)
    if base is None:
        raise _no_base(item.path, record.base, package)
    return _merge(item, template.stated.put_into(base), template.content)


def _merge(item: Item, base: bytes, template: bytes) -> Outcome:
    assert item.content is not None
    after, conflict = merging.merge(
        merging.Version(item.content, _OURS),
        merging.Version(_line_ends(base, item.content), "template before"),
        merging.Version(_line_ends(template, item.content), _THEIRS),
    )
    return Outcome(item, "conflict" if conflict else "merge", after, conflict)


def _line_ends(text: bytes, like: bytes) -> bytes:
    """Return a text of ours with the line ends of the user's file, where all of them are `\\r\\n`."""
    ends = like.count(b"\n")
    return text.replace(b"\n", b"\r\n") if ends and ends == like.count(b"\r\n") else text


def _no_base(path: str, name: str, package: Path) -> InfrastructureError:
    if merging.is_shallow(package):
        why, fix = "that checkout has only a part of its history", f"{git_in(package)} fetch --unshallow"
    else:
        why, fix = "what it was merged with was never committed there, or not fetched", f"{git_in(package)} fetch"
    return InfrastructureError(
        f"the template that {path} was merged with ({name[:12]}) is not in the history of helpers",
        where=package,
        why=f"{why}; nothing is changed",
        fix=f"{fix}  (or take the template: invoke sync_update --theirs {path})",
    )


def _show(root: Path, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.word != "as it is":
            print(f"{outcome.word}: {printable(outcome.item.path)}{_kept(root, outcome)}")
            for line in _diff(outcome):
                colour = {"+": "green", "-": "red"}.get(line[0], "dim")
                print(f"  {paint(printable(line), colour, sys.stdout)}")


def _kept(root: Path, outcome: Outcome) -> str:
    if outcome.beside:
        return f"  (yours stays, the merge is {sync_state.beside(outcome.item.path)})"
    orig = printable(shared_files.kept_beside(root, outcome.item.path)) if outcome.aside else ""
    return f"  (yours is kept as {orig})" if orig else ""


def _diff(outcome: Outcome) -> Iterator[str]:
    if outcome.after is None or outcome.item.content is None:
        return
    old, new = (content.decode("utf-8", "replace").splitlines() for content in (outcome.item.content, outcome.after))
    yield from difflib.unified_diff(old, new, outcome.item.path, f"{outcome.item.path} (after)", lineterm="")


def _write(root: Path, outcomes: Sequence[Outcome]) -> None:
    writes: list[Write] = []
    for outcome in outcomes:
        item = outcome.item
        if outcome.aside and item.content is not None:
            orig = shared_files.kept_beside(root, item.path)
            writes.append(Write(orig, None, item.content))
        if outcome.after is not None and outcome.after != item.content:
            assert item.template is not None
            path, before = item.path, item.content
            if outcome.beside:
                path, before = sync_state.beside(path), None
                if shared_files.check_plain(root, path):
                    raise PolicyError("is where the merge goes", where=root / path, fix="move it away")
            writes.append(Write(path, before, outcome.after, item.template.mode))
    with shared_files.written(root, writes):
        _record(root, outcomes)
    for outcome in outcomes:
        if outcome.item.waits and not outcome.conflict:
            (root / sync_state.beside(outcome.item.path)).unlink()


def _record(root: Path, outcomes: Sequence[Outcome]) -> None:
    """Write down what each file was merged with and what came out, as git would keep it."""
    kept = [outcome for outcome in outcomes if not outcome.forget]
    stored = merging.stored_ids(root, [outcome.item.path for outcome in kept])
    entries: dict[str, Merged] = {}
    for outcome, name in zip(kept, stored, strict=True):
        item = outcome.item
        assert item.template is not None
        if outcome.conflict and outcome.after is None:
            # Not merged now: the conflicts are of the last time, or the user's own.
            entries |= {item.path: item.record} if item.record else {}
        else:
            entries[item.path] = Merged(item.template.base_id, CONFLICT if outcome.conflict else name)
    before, after = shared_files.read(root, sync_lock.PATH), sync_lock.text(entries).encode()
    if before != after:
        with shared_files.written(root, [Write(sync_lock.PATH, before, after)]):
            pass


def _judge(root: Path, outcomes: Sequence[Outcome]) -> int:
    conflicts = [outcome for outcome in outcomes if outcome.conflict]
    if conflicts:
        moves = {sync_state.beside(one.item.path): one.item.path for one in conflicts if one.beside}
        where = [*moves, *(one.item.path for one in conflicts if not one.beside)]
        then = "".join(f"mv {shlex.join([str(root / merged), str(root / path)])} && " for merged, path in moves.items())
        say(
            f"{', '.join(where)}: resolve what is between <<<<<<< and >>>>>>>, then again: {then}invoke sync_update"
            f"  (or take the template: invoke sync_update --theirs {conflicts[0].item.path})"
        )
        return TESTS_FAILED
    done = [outcome for outcome in outcomes if outcome.word != "as it is"]
    say(f"{len(done)} of {len(outcomes)} common files changed or recorded" if done else "all is in order")
    return OK
