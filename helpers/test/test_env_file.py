"""Variables of a file: read as data, in one way, and given to containers on no command line."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from helpers import config, discover, proc
from helpers.containers import environment
from helpers.dirs import soundness
from helpers.engine import argv, client
from helpers.engine.docker import DockerEngine
from helpers.errors import ConfigError
from helpers.model import env_file
from helpers.model.settings import parse_settings
from helpers.test.test_argv import TESTS
from helpers.test.test_container import root, spec_of
from helpers.test.unit_fixtures import add_dir, cache, forget

__all__ = ["cache", "root"]

TEXT = """# a comment
A=1

export B='x # "y" $z \\w'
  C="a b"\r
D=
E=https://x.invalid/?a=b&c=d#e
F=b c
"""


def test_lines_are_read_as_every_reader_of_such_files_does() -> None:
    assert env_file.parse(TEXT, "f", ()) == {
        "A": "1",
        "B": 'x # "y" $z \\w',
        "C": "a b",
        "D": "",
        "E": "https://x.invalid/?a=b&c=d#e",
        "F": "b c",
    }


@pytest.mark.parametrize(
    "line",
    [
        *("A", "A B=1", "1A=1", "=1", "A =1", "A= 1", "A='x", "A='x'y", 'A="x\\n"', "A=$B", 'A="$B"', "A='${B}'"),
        *("A=1 # x", "A=\\", "A='a\\\\b'", "A=a\rb", "A=\0", "A=" + "x" * 5000, "export", "A-B=1", "Ä=1"),
    ],
)
def test_line_that_readers_take_differently_is_refused_without_its_value(line: str) -> None:
    with pytest.raises(ConfigError, match="the line is no NAME=VALUE") as caught:
        env_file.parse(f"OK=1\n{line}\n", "f", ())
    assert caught.value.where == "f:2" and caught.value.what == "the line is no NAME=VALUE"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A=1\nA=2", "'A' is in a line above too"),
        ("T=1", "'T' is in env of"),
        ("PATH=/x", "helpers sets the value of 'PATH'"),
        ("PYTHONPATH=/x", "helpers sets the value of 'PYTHONPATH'"),
        ("HELPERS_X=1", "helpers sets the value of 'HELPERS_X'"),
        ("#\n" * 1001, "has more than 1000 lines"),
    ],
)
def test_variable_is_set_in_one_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        env_file.parse(text, "f", ["T"])


def load(root: Path, settings: str, text: str | None = "A=1\n") -> None:
    forget()
    shutil.rmtree(root / "a", ignore_errors=True)
    add_dir(root, "a", settings)
    if text is not None:
        (root / "a" / ".env").write_text(text)


def values(root: Path) -> dict[str, str]:
    runnable = config.load(root, root / "a", discover.runnable_paths(root))
    return environment.file_values(runnable.path, root, runnable.settings)


def test_file_of_the_repo_is_read_and_seen_by_tests(root: Path) -> None:
    load(root, 'env_file = ".env"')
    runnable = config.load(root, root / "a", [])
    spec = spec_of(runnable)
    assert (dict(spec.file_values), spec.env.get("A"), runnable.settings.uses) == ({"A": "1"}, None, ())
    (root / "shared.env").write_text("B=2\n")
    load(root, 'env_file = "../shared.env"')
    spec = spec_of(config.load(root, root / "a", []))
    assert dict(spec.file_values) == {"B": "2"}
    # A change of it is a change of what the tests see.
    assert root / "shared.env" in [mount.path for mount in spec.mounts]


def test_file_that_is_no_file_of_the_repo_is_a_fault_of_its_directory_before_an_engine_is_asked(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_text("A=1\n")
    for name, says in (("gone", "does not exist"), ("../../outside", "leads out of the repo"), ("link", "behind a")):
        load(root, f'env_file = "{name}"')
        (root / "a" / "link").symlink_to(".env")
        with pytest.raises(ConfigError, match=f"env_file: '{name}' .*{says}"):
            soundness.check_paths(config.load(root, root / "a", []))
    (root / "sub" / ".git").mkdir(parents=True)
    for name in ("../.git/config", "../sub/.git/config", "../.GIT/x", "../.git/modules/sub/config"):
        load(root, f'env_file = "{name}"')
        with pytest.raises(ConfigError, match="is data of git, which no test sees"):
            soundness.check_paths(config.load(root, root / "a", []))
    load(root, 'env_file = "fifo"')
    os.mkfifo(root / "a" / "fifo")
    with pytest.raises(ConfigError, match="is a FIFO, not a regular file"):
        values(root)
    load(root, 'env_file = ".env"', "#" * (2 << 20))
    with pytest.raises(ConfigError, match="is larger than 1 MiB"):
        values(root)


@pytest.mark.parametrize("name", ["/etc/passwd", "./.env", "a/../b", "a//b", "a/"])
def test_path_of_the_file_is_written_in_one_way(name: str) -> None:
    with pytest.raises(ConfigError, match="env_file must be the path of a file"):
        parse_settings({"env_file": name}, "p")


SECRET = replace(TESTS, env={"LANG": "C.UTF-8", "HOME": "/h"}, file_values={"LANG": "C", "TOKEN": "secret word"})


def test_values_reach_the_client_on_no_command_line_and_in_no_file_with_a_name(tmp_path: Path, cache: Path) -> None:
    with client.env_file(SECRET.file_values) as file:
        assert file is not None and os.fstat(file).st_nlink == 0
        command = argv.run(SECRET, account_files=Path("/a"), remove=False, env_file=file)
        # As the client opens it.
        reader = proc.Child(["cat", f"/dev/fd/{file}"], fds=(file,))
    assert reader.wait(20) == 0 and reader.printed() == b"LANG=C\nTOKEN=secret word\n"
    assert ("--env-file", f"/dev/fd/{file}") in pairwise(command) and ("--env", "HOME=/h") in pairwise(command)
    # Docker would prefer a value of the command line.
    assert not any("secret" in word or word.startswith("LANG=") for word in command)
    with client.env_file({}) as file:
        assert file is None


def test_command_for_later_has_no_values_of_the_file(cache: Path) -> None:
    engine = DockerEngine.__new__(DockerEngine)
    assert engine.by_hand(SECRET, ["pytest"]) == engine.start_command(SECRET) == []
    assert engine.by_hand(TESTS, ["pytest"]) and engine.start_command(TESTS)
    assert not [path for path in cache.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_shell_that_becomes_the_client_hands_the_values_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def replaced(command: list[str]) -> None:
        file = command[command.index("--env-file") + 1]
        assert os.get_inheritable(int(file.rpartition("/")[2]))
        seen.append(Path(file).read_bytes())

    monkeypatch.setattr(proc, "replace", replaced)
    client.become(SECRET)
    assert seen == [b"LANG=C\nTOKEN=secret word\n"]
