"""Verdicts that are kept: what passed passes again while nothing has changed that its container could see.

A container of tests sees the paths that are mounted, its image, and what it is started with, and nothing else. All of
that is in the key. What may see more, such as a network, is never answered from here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers import discover, errors, host, repo
from helpers.console import printable, say
from helpers.containers import rights
from helpers.driver import kept_verdict, memo, plan
from helpers.driver.container import INSIDE, test_container
from helpers.driver.plan import DirPlan
from helpers.driver.results import JUNIT, MOST_JUNIT_BYTES, read_result
from helpers.driver.verdict import Status, Verdict
from helpers.driver.ways import links, ways
from helpers.engine.specs import RunSpec
from helpers.errors import HelpersError
from helpers.images import digests
from helpers.model import policy
from helpers.model.runnable import RunnableDir
from helpers.repo.contents import Answers, Contents, Unknown, changed_at, contents, is_still, is_untouched, of_directory
from helpers.repo.seen import Seen
from helpers.storage import cache_dir, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.shared_verdicts import SharedVerdicts

_PACKAGE = INSIDE.parent
# The parts of helpers that a verdict does not depend on.
_NOT_RUN = (Path("test"), Path("templates"))
# Where results go is another place in each run.
_RESULTS = Path("/results")
_FORMAT = str(kept_verdict.FORMAT)
_MOST = 20_000
_MOST_BYTES = 500_000_000


class VerdictCache:
    """The kept verdicts, for one repo, tier and arguments of pytest; what the repo holds is asked when it is needed.

    Arguments:
        root: absolute path of the repo.
        tier: which tests.
        arguments: pytest's own, from the command line.
        shared: the verdicts of the team; None without.
        coverage: whether the lines that run are noted.
        since: when the first container was started, in seconds since the epoch, if that was before all this.
        asked: git's answers about the repo, for the first `find`; None asks git then.
    """

    def __init__(
        self,
        root: Path,
        tier: str,
        arguments: Sequence[str],
        shared: SharedVerdicts | None = None,
        *,
        coverage: bool = False,
        since: float | None = None,
        asked: Answers | None = None,
    ) -> None:
        self._shared = shared
        self.root = root
        self._tier = tier
        self.arguments = arguments
        self._coverage = coverage
        self._since = since
        self._asked = asked
        self._keys: dict[str, str] = {}
        # The digests of paths that many directories see, such as helpers itself, and the files behind the digests.
        self._shared_names: tuple[Contents | None, dict[tuple[Path, tuple[Path, ...]], str]] = (None, {})
        # The files that `find` made its keys of; None before, and where nobody can say.
        self.now: Contents | None = None

    def find(self, dirs: Sequence[DirPlan], now: Contents | None = None) -> dict[str, Verdict]:
        """Return the kept verdicts on directories, by name; those whose files changed have none.

        Arguments:
            dirs: what is planned.
            now: what the files of the checkout hold; None asks for it.
        """
        found: dict[str, Verdict] = {}
        unknown: dict[str, DirPlan] = {}
        try:
            asked, self._asked = self._asked, None
            now = self.now = now or contents(self.root, seen=self.seen(dirs), asked=asked)
        except Unknown:
            return {}  # then nothing is kept either
        for item in dirs:
            if key := self._key(item, now):
                self._keys[item.name] = key
                verdict = _read(key, item.name)
                if verdict and verdict.image == digests.known(item.chain[-1].reference):
                    found[item.name] = verdict
                else:
                    unknown[key] = item
        if self._shared:
            with suppress(OSError, ValueError):
                self._shared.complete({self._keys[name]: name for name in found}, _load)
        return {**found, **self._take_over(unknown)}

    def _take_over(self, unknown: Mapping[str, DirPlan]) -> dict[str, Verdict]:
        """Return what the team knows of directories, by name, and keep it here; `unknown` is by key."""
        found = {}
        names = {key: item.name for key, item in unknown.items()}
        for key, verdict in self._shared.find(names).items() if self._shared and unknown else ():
            reference = unknown[key].chain[-1].reference
            # An image that was never here would be made of the same locked inputs: its name is their hash.
            if digests.known(reference) in ("", verdict.image):
                found[verdict.name] = replace(verdict, why="cached by the team")
                digests.remember(reference, verdict.image)
                with suppress(OSError):
                    _write(key, kept_verdict.entry(verdict, verdict.junit))
        return found

    def keep(self, dirs: Sequence[DirPlan], verdicts: Sequence[Verdict], reports: Mapping[str, Path]) -> None:
        """Keep the verdicts on directories that passed, unless something changed while their tests ran.

        Arguments:
            dirs: what was planned.
            verdicts: what came out, in the same order.
            reports: the directories with the results of tests, by name.
        """
        for item, verdict in zip(dirs, verdicts, strict=True):
            if verdict.image and item.chain and not verdict.cached:
                digests.remember(item.chain[-1].reference, verdict.image)
        passed = [
            (item, verdict)
            for item, verdict in zip(dirs, verdicts, strict=True)
            if verdict.status is Status.PASS and not verdict.cached and item.name in self._keys
        ]
        if not passed:
            return
        # A full disk only costs the next run its time.
        with suppress(Unknown, OSError):
            now = self._again(dirs)
            new = {
                self._keys[item.name]: kept_verdict.entry(verdict, _junit(reports[item.name]))
                for item, verdict in passed
                if self._key(item, now) == self._keys[item.name] and self._is_untouched(item)
            }
            for key, about in new.items():
                _write(key, about)
            if self._shared:
                self._shared.add(new)
            _drop_oldest()

    def _again(self, dirs: Sequence[DirPlan]) -> Contents:
        """Return what the files of the checkout hold now, after the tests."""
        self._shared_names = (None, {})  # helpers may lie outside of the checkout
        return self.now if self.now and is_still(self.now) else contents(self.root, seen=self.seen(dirs))

    def seen(self, dirs: Sequence[DirPlan]) -> Seen:
        """Return what of the checkout the names depend on that this gives to directories."""
        paths = {str(_PACKAGE), *(path for item in dirs for path in ways(item))}
        return Seen(_below(path, self.root) for path in map(_resolved, paths) if path.is_relative_to(self.root))

    def _key(self, item: DirPlan, now: Contents) -> str:
        """Return the name of all that the tests of a directory depend on; empty where that can not be said."""
        if why_never(item):
            return ""
        with suppress(Unknown):  # a link leads elsewhere than a moment ago
            return self.state(item, now)
        return ""

    def state(self, item: DirPlan, now: Contents) -> str:
        """Return the name of all of the checkout that the tests of a directory depend on; empty if there are none.

        What they may write themselves does not count. They may depend on more: see `why_never`.

        Raises:
            Unknown: something of it was not looked at, or can not be read.
        """
        try:
            spec = self._container(item)
        except HelpersError:
            return ""  # it is told when the tests are to run
        if not spec:
            return ""
        seen = [self._mounted(mount.path, spec, now) for mount in spec.mounts if mount.read_only]
        return digest(_FORMAT, _started_with(spec), *seen, self.own_state(now))

    def _container(self, item: DirPlan) -> RunSpec | None:
        """Return what the tests of a directory run in; None where there is nothing to run."""
        if not item.runnable or not item.chain:
            return None
        return test_container(
            item.runnable,
            name="",
            image=item.chain[-1].reference,
            labels=item.chain[-1].labels,
            user=host.user(),
            results=_RESULTS,
            nonce="",
            tier=self._tier,
            arguments=self.arguments,
            coverage=self._coverage,
        )

    def _is_untouched(self, item: DirPlan) -> bool:
        """Say whether nothing that the tests of a directory see was changed meanwhile and then changed back."""
        spec = self._container(item)
        if not spec or not self.now:
            return False
        written = [mount.path for mount in spec.mounts if not mount.read_only]
        others = {_resolved(path) for path in (*spec.hidden, *written)}
        since = min(self.now.asked_at, self._since or self.now.asked_at)
        met = (Path(link) for path in ways(item) for link in links(path, str(self.root)))
        seen = (_resolved(mount.path) for mount in spec.mounts if mount.read_only)
        return all(changed_at(link) <= since for link in met) and all(
            is_untouched(path, since, others - {path}) for path in seen
        )

    def own_state(self, now: Contents) -> str:
        """Return the name of all of helpers that a verdict depends on; the same for each directory."""
        return self._name(_PACKAGE, now, _NOT_RUN)

    def _mounted(self, path: Path, spec: RunSpec, now: Contents) -> str:
        # What is hidden in one mount may be mounted by itself.
        others = [*spec.hidden, *(mount.path for mount in spec.mounts if not mount.read_only)]
        return self._name(path, now, [one.relative_to(path) for one in others if one != path and path in one.parents])

    def _name(self, path: Path, now: Contents, without: Iterable[Path]) -> str:
        """Return the name of all that is at and below a path, but for some paths below it; both may be links."""
        if self._shared_names[0] is not now:
            self._shared_names = (now, {})
        known, key = self._shared_names[1], (path, tuple(without))
        if key not in known:
            known[key] = self._name_now(*key, now)
        return known[key]

    def _name_now(self, path: Path, without: Iterable[Path], now: Contents) -> str:
        real = _resolved(path)
        if real.is_relative_to(self.root):
            return now.digest(_below(real, self.root), [_below(real / one, self.root) for one in without])
        return of_directory(real) if real.is_dir() else digest(real.read_bytes())


def why_never(item: DirPlan) -> str:
    """Return why the verdict on a directory is never kept: its tests may see what no key covers; empty if it may be."""
    if not item.runnable:
        return "it can not be tested"
    # The values of `env` are part of the key.
    if more := rights.lines(need for need in item.needs if need.right != policy.ENV):
        return more[0]
    if _uses_git(item.runnable):
        return "uses what git keeps in .git"
    return "services" if (item.runnable.path / "devops" / "compose.yaml").exists() else ""


def _uses_git(runnable: RunnableDir) -> bool:
    kept = runnable.root / ".git"
    used = [_resolved(runnable.path / name) for name in runnable.uses]
    inside = any(path.is_relative_to(kept) for path in (_resolved(runnable.path), *used))
    return kept.is_dir() and (inside or any(kept.is_relative_to(path) for path in used))


def _resolved(path: Path | str) -> Path:
    """Return where a path leads: an engine that mounts it follows links, too."""
    return Path(os.path.realpath(path))


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _started_with(spec: RunSpec) -> str:
    """Return what a container is started with, apart from what is another one in each run."""
    same = replace(spec, labels={}, env=dict(spec.env), image_says=dict(spec.image_says))
    inherited = [(given, os.environ.get(given)) for given in spec.inherit]
    return repr((same, inherited, os.uname().machine))


def _folder() -> Path:
    return cache_dir() / "verdicts"


def _file(key: str) -> Path:
    return _folder() / key[:2] / f"{key}.json"


def _read(key: str, name: str) -> Verdict | None:
    """Return the verdict of a key; a damaged file is put aside and counts as missing."""
    try:
        return kept_verdict.from_entry(_load(key), name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        file = _file(key)
        with suppress(OSError):
            os.replace(file, file.with_suffix(".damaged"))
        return None


def _load(key: str) -> Any:
    return kept_verdict.parsed(_file(key).read_bytes())


def _junit(results: Path) -> str:
    # Tests may write the report to another place; then this place is empty.
    return (read_result(results / JUNIT, MOST_JUNIT_BYTES) or b"").decode(errors="replace")


def _write(key: str, about: dict[str, Any]) -> None:
    file = _file(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}-{os.getpid()}")
    aside.write_text(json.dumps(about), encoding="utf-8")
    os.replace(aside, file)


def entries() -> list[Path]:
    """Return the files of all kept verdicts, oldest first; one that goes meanwhile is left out."""
    found = []
    for file in _folder().glob("*/*.json"):
        with suppress(OSError):
            found.append((file.stat().st_mtime_ns, file))
    return [file for _, file in sorted(found)]


def _drop_oldest() -> None:
    """Keep the number and the size of verdicts bounded; a look in a hundred is enough."""
    if os.urandom(1)[0] >= 3:
        return
    left = _MOST_BYTES
    for number, file in enumerate(reversed(entries())):
        with suppress(FileNotFoundError):
            left -= file.stat().st_size
            if number >= _MOST or left < 0:
                file.unlink()


def show(*, cwd: Path | None = None) -> int:
    """Print how many verdicts are kept, how big they are, and which directories of the repo around `cwd` are never.

    Arguments:
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no checkout.
    """
    root = repo.find_root((cwd or Path.cwd()).resolve())
    files = entries()
    size = sum(file.stat().st_size for file in files if file.exists())
    print(f"{len(files)} verdicts, {size / 1e6:.1f} MB, in {_folder()}")
    every = discover.runnable_paths(root)
    for item in plan.make(root, every, every, "fast").dirs:
        if why := why_never(item):
            print(f"never kept: {printable(item.name)}: {printable(why)}")
    return errors.OK


def clear(*, dry_run: bool = False) -> int:
    """Remove all kept verdicts, and what was put aside as damaged; the next run tests everything.

    Arguments:
        dry_run: only say what would be removed.
    """
    files = [*entries(), *_folder().glob("*/*.damaged")]
    if not dry_run:
        for file in (*files, *map(Path, memo.files())):
            file.unlink(missing_ok=True)
    say(f"{len(files)} verdicts {'would be ' if dry_run else ''}removed")
    return errors.OK
