"""`--shard`: which directories go to which machine."""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import compress
from pathlib import Path

import pytest

from helpers import discover
from helpers.driver import cli, durations, measuring, shard
from helpers.driver import plan as planner
from helpers.driver.plan import Plan
from helpers.driver.shard import Shard, balanced
from helpers.driver.verdict import Status, Verdict
from helpers.errors import UsageError
from helpers.repo import contents
from helpers.test.unit_fixtures import add_dir, cache, git, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]
NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture
def root(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo with five runnable dirs and one commit, in which the command is given."""
    root = make_repo(tmp_path / "r")
    for name in NAMES:
        add_dir(root, name)
    commit(root)
    monkeypatch.chdir(root)
    return root


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "more")


def plan(root: Path, tier: str = "fast") -> Plan:
    every = discover.runnable_paths(root)
    return planner.make(root, every, every, tier)


def library(path: Path) -> Path:
    """Make a repo with one commit."""
    root = make_repo(path)
    (root / "code").write_text("")
    commit(root)
    return root


def result(path: Path, **seconds: float) -> str:
    """Write the result of an earlier run."""
    known = [{"directory": name, "seconds": number, "verdict": "PASS"} for name, number in seconds.items()]
    path.write_text(json.dumps({"directories": known}))
    return str(path)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "1/2/3", "-1/2", "a/b", "1 /2", "1/"])
def test_what_is_no_part_of_a_whole_is_bad_usage(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not I/N, as in 2/5"):
        shard.parse(text)


def test_every_directory_is_in_exactly_one_shard() -> None:
    chance = random.Random(7)
    for _ in range(50):
        weights = {f"dir{number}": chance.randint(1, 900) for number in range(chance.randint(1, 60))}
        of = chance.randint(1, 9)
        parts = balanced(weights, of)
        assert sorted(name for part in parts for name in part) == sorted(weights) and len(parts) == of


def test_the_fullest_shard_has_at_most_a_third_more_than_that_of_the_best_of_all_splits() -> None:
    chance = random.Random(7)
    for _ in range(200):
        of = chance.choice([2, 3])
        weights = {f"dir{number}": chance.randint(1, 20) for number in range(chance.randint(1, 7))}
        every = itertools.product(range(of), repeat=len(weights))
        best = min(fullest(weights, [compress(weights, map(n.__eq__, places)) for n in range(of)]) for places in every)
        assert best <= fullest(weights, balanced(weights, of)) <= best * 4 / 3


def fullest(weights: Mapping[str, int], parts: Iterable[Iterable[str]]) -> int:
    return max(sum(weights[name] for name in part) for part in parts)


def test_the_longest_come_first_and_ties_are_settled_by_name() -> None:
    weights = {"c": 5, "b": 5, "a": 5, "long": 9, "short": 1}
    assert balanced(weights, 2) == (("long", "c"), ("a", "b", "short"))
    assert balanced(dict(reversed(weights.items())), 2) == balanced(weights, 2)


def test_without_a_file_the_files_with_tests_count_that_are_committed_and_no_record_of_this_machine(root: Path) -> None:
    for number in range(6):
        (root / "c" / "test" / f"test_{number}.py").write_text("")
    commit(root)
    first = shard.make(root, plan(root), Shard(1, 2), None, [])
    assert first.weights == {"a": 1, "b": 1, "c": 7, "d": 1, "e": 1}
    assert first.parts == (("c",), ("a", "b", "d", "e"))
    (root / "a" / "test" / "test_draft.py").write_text("")
    durations.record(root, "fast", [Verdict("a", Status.PASS, 0, seconds=500.0)])
    assert shard.make(root, plan(root), Shard(2, 2), None, []) == replace(first, shard=Shard(2, 2))


def test_with_a_file_its_seconds_count_and_what_it_does_not_name_takes_the_median(root: Path, tmp_path: Path) -> None:
    file = result(tmp_path / "r.json", a=9.0, b=1.0, c=2.0)
    split = shard.make(root, plan(root), Shard(1, 2), file, [])
    assert split.weights == {"a": 9000, "b": 1000, "c": 2000, "d": 2000, "e": 2000}
    assert split.parts == (("a",), ("c", "d", "e", "b"))
    assert split.as_text() == f"shard 1/2: 1 of 5 directories, 56 % of the seconds in {file}; split {split.digest}"


def test_another_split_has_another_digest(root: Path, tmp_path: Path) -> None:
    def made(tier: str = "fast", of: int = 2, file: str | None = None, arguments: tuple[str, ...] = ()) -> str:
        return shard.make(root, plan(root, tier), Shard(1, of), file, arguments).digest

    one = made()
    digests = [one, made("slow"), made(of=3), made(file=result(tmp_path / "r.json", a=9.0)), made(arguments=("-x",))]
    (root / "more").write_text("")
    commit(root)
    digests.append(made())
    assert len(set(digests)) == len(digests) and made() == made()


def listed_split(root: Path, *options: str) -> str:
    file = root.parent / "list.json"
    file.unlink(missing_ok=True)
    cli.main(["--list", "--shard", "1/2", "--json", str(file), *options], root)
    return str(json.loads(file.read_text())["shard"]["split"])


def test_another_way_to_run_the_tests_is_another_split(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [(), ("--engine", "venv"), ("--engine", "docker"), ("--", "-x"), ("--", "--", "-x")]
    splits = [listed_split(root, *way) for way in ways]
    # None of these measures.
    monkeypatch.setattr(measuring, "checked", lambda plan: plan)
    splits.append(listed_split(root, "--coverage"))
    splits.append(listed_split(root, "--stage", "dev"))
    assert len(set(splits)) == len(splits)
    assert listed_split(root, "--engine", "auto") == splits[0]


def test_a_tracked_file_that_is_not_as_committed_is_another_split_and_its_old_content_the_old_one(root: Path) -> None:
    file, clean = root / "a" / "test" / "test_it.py", listed_split(root)
    before = file.read_text()
    file.write_text(f"{before}# one\n")
    one = listed_split(root)
    file.write_text(f"{before}# two\n")
    two = listed_split(root)
    git(root, "add", "--all")
    assert listed_split(root) == two and len({clean, one, two}) == 3
    file.unlink()
    assert listed_split(root) not in {clean, one, two}
    file.write_text(before)
    file.chmod(0o755)
    assert listed_split(root) != clean
    file.chmod(0o644)
    (root / "untracked").write_text("")
    assert listed_split(root) == clean
    git(root, "update-index", "--assume-unchanged", "a/test/test_it.py")
    assert listed_split(root) == clean
    file.write_text(f"{before}# one\n")
    assert listed_split(root) == one
    git(root, "add", "untracked")
    assert listed_split(root) not in {clean, one, two}


def test_what_is_not_committed_in_a_submodule_counts_and_a_repo_without_a_commit_has_a_split(
    root: Path, tmp_path: Path
) -> None:
    bare = make_repo(tmp_path / "bare")
    (bare / "file").write_text("")
    git(bare, "add", "file")
    assert contents.uncommitted(bare, "").keys() == {"file"}
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library(tmp_path / "lib")), "lib")
    commit(root)
    clean = listed_split(root)
    assert contents.uncommitted(root, "HEAD") == {}
    (root / "lib" / "new").write_text("")
    assert listed_split(root) == clean
    git(root / "lib", "add", "new")
    assert contents.uncommitted(root, "HEAD").keys() == {"lib/new"} and listed_split(root) != clean


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"directories": 3}', '{"directories": [{}]}', '{"directories": [{"directory": "a"}]}']
)
def test_a_file_that_is_no_result_is_bad_usage_that_names_it(root: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match="is no result of a run") as caught:
        shard.make(root, plan(root), Shard(1, 2), str(tmp_path / "x.json"), [])
    assert caught.value.where == str(tmp_path / "x.json")


def test_the_lists_of_all_shards_are_the_list_of_the_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed, splits = [], set()
    for number in (1, 2, 3):
        assert cli.main(["--list", "--shard", f"{number}/3", "--json", "-"], root) == 0
        out, err = capsys.readouterr()
        data = json.loads(out)
        listed += [item["directory"] for item in data["directories"]]
        splits.add(data["shard"]["split"])
        assert f"shard {number}/3: " in err and data["shard"]["split"] in err
        assert {step["step"] for step in data["steps"]} >= {f"test {item['directory']}" for item in data["directories"]}
    assert sorted(listed) == NAMES and len(splits) == 1


def test_an_empty_shard_is_5_or_0_where_that_is_allowed_and_is_written_down_all_the_same(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--shard", "6/6", "--json", "r.json"], root) == 5
    assert "shard 6/6 is empty: there are 5 directories for 6 shards" in capsys.readouterr().err
    data = json.loads((root / "r.json").read_text())
    assert (data["exit_code"], data["directories"], data["shard"]["number"]) == (5, [], 6)
    assert cli.main(["--shard", "6/6", "--json", "r.json", "--allow-empty"], root) == 0
    assert json.loads((root / "r.json").read_text())["exit_code"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--durations", "x.json"], "add --shard I/N"), (["--shard", "1/2", "--durations", "x.json"], "cannot be read")],
)
def test_durations_that_are_of_no_use_are_bad_usage(
    root: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(options, root) == 2
    assert says in capsys.readouterr().err


def test_platform_without_a_directory_is_an_error_and_an_unknown_one_is_bad_usage(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--list", "--platform=linux/amd64"], root) == 0
    for more in ([], ["--shard=1/2"]):
        assert cli.main(["--platform=linux/arm64", *more], root) == 5
        assert cli.main(["--list", "--platform=linux/arm64", *more], root) == 5
        assert cli.main(["--list", "--platform=linux/arm64", "--allow-empty", *more], root) == 0
    capsys.readouterr()
    for text in ("arm64", "linux/amd64,linux/arm64", ""):
        with pytest.raises(SystemExit, match="2"):
            cli.main([f"--platform={text}"], root)
        assert "platform" in capsys.readouterr().err
