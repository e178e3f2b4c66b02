from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers import config, discover
from helpers.errors import ConfigError
from helpers.test.unit_fixtures import add_dir, cache, git, make_repo

__all__ = ["cache"]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    return make_repo(tmp_path / "r")


def test_a_runnable_dir_is_what_its_files_and_the_root_say(root: Path) -> None:
    top = add_dir(root, ".", 'registry = "host:5000/team"')
    path = add_dir(root, "a/b", 'memory = "1g"\nregistry = "ignored:1"', version="1.2.3", image="thing")
    nested = add_dir(root, "a/b/c")
    runnable = config.load(root, path, [top, path, nested])
    assert (runnable.name, str(runnable.version), runnable.settings.memory) == ("a/b", "1.2.3", "1g")
    assert runnable.repository == "host:5000/team/thing"
    assert runnable.requires_python == ">=3.11"
    assert runnable.nested == (nested,)
    assert runnable.python_path == (path, path / "src")
    assert config.load(root, top, [top]).name == "."


def test_a_loader_reads_each_directory_once_and_knows_those_nested_in_it(root: Path) -> None:
    path, nested = add_dir(root, "a", version="1.2.3"), add_dir(root, "a/b")
    load = config.loader(root, [path, nested])
    assert load(path).nested == (nested,) and load(nested).nested == ()
    log = path / "changelog.txt"
    log.write_text(log.read_text().replace("1.2.3", "1.2.4"))
    assert str(load(path).version) == "1.2.3"
    assert str(config.loader(root)(path).version) == "1.2.4"


def test_directory_that_is_being_made_is_loaded_without_its_changelog(root: Path) -> None:
    path = add_dir(root, "a", 'memory = "1g"', version="1.2.3")
    assert str(config.load(root, path, (), unfinished=True).version) == "1.2.3"
    (path / "changelog.txt").unlink()
    assert config.load(root, path, (), unfinished=True).settings.memory == "1g"
    with pytest.raises(ConfigError, match=r"has no changelog\.txt"):
        config.load(root, path, ())


def test_a_missing_file_is_named(root: Path) -> None:
    path = add_dir(root, "a")
    (path / "pyproject.toml").unlink()
    with pytest.raises(ConfigError, match="is missing") as caught:
        config.load(root, path, [path])
    assert caught.value.where == str(path / "pyproject.toml")


@pytest.mark.parametrize("mark", ["devops", "changelog.txt"])
def test_a_runnable_dir_that_lost_a_mark_is_still_found_and_is_an_error(root: Path, mark: str) -> None:
    path = add_dir(root, "a")
    (path / mark).rename(path / "elsewhere")
    assert path in discover.runnable_paths(root)
    assert discover.enclosing(path) == (root, path)
    with pytest.raises(ConfigError, match=f"has no {mark}"):
        config.load(root, path, [path])


SPELLINGS = (
    '[tool.helpers]\nbase = "archive:bookworm"',
    '[tool]\nhelpers = {base = "archive:bookworm"}',
    'tool.helpers.base = "archive:bookworm"',
    '[tool]\nhelpers.base = "archive:bookworm"',
    'tool = {helpers = {base = "archive:bookworm"}}',
    '[ "tool" . \'helpers\' ]\r\n"base" = "archive:bookworm"\r\n',
    '[tool."h\\u0065lpers"]\n"b\\u0061se" = "archive:bookworm"',
    "[tool.helpers]",
    "[tool.helpers]  # [tool.other]\nregistry = ''\nbase = 'archive:bookworm'",
    "[tool.helpers]\ntests = [\n'sync',\n]",
    "[tool.helpers]\nbase = 'archive:bookworm'\nbase = 'twice'",
    "[tool.helpers\nhelpers = ",
)
OF_THE_REPO_ONLY = (
    '[tool.helpers]\nregistry = "one.example"\nhelpers = ">=0.1"\nsync = [\n".editorconfig",\n"base = 1"]',
    '[tool]\nhelpers = {registry = "one.example"}',
    'tool.helpers.registry = "one.example"',
    '[tool.other]\nx = "[tool.helpers]\\nbase = 1"',
    'x = """\n[tool.helpers]\nbase = 1\n"""',
    "[project]\nname = 'helpers'",
    "[broken",
)


@pytest.mark.parametrize("lost", [("devops",), ("changelog.txt",), ("devops", "changelog.txt")], ids="+".join)
@pytest.mark.parametrize(
    ("settings", "listed"), [*((one, True) for one in SPELLINGS), *((one, False) for one in OF_THE_REPO_ONLY)]
)
def test_a_runnable_dir_stays_listed_however_its_settings_are_spelled(
    root: Path, settings: str, listed: bool, lost: tuple[str, ...]
) -> None:
    path = add_dir(root, "a")
    (path / "pyproject.toml").write_bytes(settings.encode())
    # A tracked mark would show a runnable dir too.
    git(root, "add", "a/pyproject.toml")
    for mark in lost:
        (path / mark).rename(path / f"{mark}.gone")
    # Without both marks only readable settings show a runnable dir.
    sure = len(lost) == 1 or (settings not in SPELLINGS[-2:] and settings != "[tool.helpers]")
    assert (discover.runnable_paths(root) == [path]) is (listed and sure)


@pytest.mark.parametrize("kind", ["FIFO", "directory", "link out", "link to nothing"])
@pytest.mark.parametrize("mark", ["changelog.txt", "devops", "pyproject.toml"])
def test_a_runnable_dir_stays_listed_whatever_takes_the_place_of_its_files(root: Path, mark: str, kind: str) -> None:
    path = add_dir(root, "a")
    git(root, "add", "--all")
    (path / mark).rename(root / ".git" / mark)
    if kind == "FIFO":
        os.mkfifo(path / mark)
    elif kind == "directory":
        (path / mark).mkdir()
    else:
        (path / mark).symlink_to(root.parent if kind == "link out" else "nothing")
    assert discover.runnable_paths(root) == [path]
    if (mark, kind) not in (("devops", "directory"), ("devops", "link to nothing")):
        with pytest.raises(ConfigError):
            config.load(root, path, [path])


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("lost", [("devops",), ("changelog.txt",), ("devops", "changelog.txt")], ids="+".join)
def test_the_fix_for_a_lost_mark_gives_it_back(root: Path, lost: tuple[str, ...], committed: bool) -> None:
    path = add_dir(root, "It's a dir", "memory = '1g'", version="1.2.3")
    (path / "devops" / ".gitkeep").touch()
    if committed:
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "x")
        git(root, "rm", "-r", "--quiet", *(str(path / mark) for mark in lost))
    else:
        for mark in lost:
            (path / mark).rename(root / ".git" / mark)
    with pytest.raises(ConfigError, match=f"has no {lost[0]}") as caught:
        config.load(root, path, [path])
    assert os.system(caught.value.fix or "false") == 0
    version = "1.2.3" if committed or lost == ("devops",) else "0.1.0"
    assert str(config.load(root, path, [path]).version) == version


def test_settings_under_a_misspelt_name_are_an_error(root: Path) -> None:
    path = add_dir(root, "a")
    text = (path / "pyproject.toml").read_text()
    (path / "pyproject.toml").write_text(text.replace("[tool.helpers]", "[tool.helper]"))
    with pytest.raises(ConfigError, match=r"\[tool\.helper\]"):
        config.load(root, path, [path])


@pytest.mark.parametrize("name", ["pyproject.toml", "changelog.txt"])
def test_a_file_that_is_not_utf8_is_named_with_its_line(root: Path, name: str) -> None:
    path = add_dir(root, "a")
    (path / name).write_bytes(b"# one\n# tw\xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8") as caught:
        config.load(root, path, [path])
    assert caught.value.where == f"{path / name}:2"


def test_broken_toml_is_an_error_of_its_file(root: Path) -> None:
    path = add_dir(root, "a")
    (path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match="is not TOML") as caught:
        config.load(root, path, [path])
    assert caught.value.where == f"{path / 'pyproject.toml'}:1"
    assert caught.value.fix == "correct line 1, then: invoke dir_check --all  (checks the files)"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"a = {'[' * 500}{']' * 500}", "nested deeper"),
        (f"{'a.' * 200_000}a = 1", "nested deeper"),
        ('"=" . ' * 150_000 + "a = 1", "nested deeper"),
        (f"a = {'9' * 9_000}", "more than 64 bits"),
        (f"a = 0x{'f' * 9_000}", "more than 64 bits"),
        ("a = '\0'", "is not TOML"),
        ("a = 2026-02-31", "is not TOML"),
        ("\ufeffa = 1", "byte order mark"),
        (f"[tool]\nhelpers = [{'1,' * 9_000}]", "must be a table"),
        (f"[tool.helpers]\npids = [{'1,' * 9_000}]", "must be a whole number"),
        (f"[tool.helpers]\n{'x' * 9_000} = 1", "has no setting"),
        (f"[tool.helpers]\nbase = '{'x' * 9_000}'", "base must be a string of at most"),
    ],
)
def test_a_hostile_settings_file_is_a_short_error_of_its_directory(root: Path, text: str, what: str) -> None:
    path = add_dir(root, "a")
    (path / "pyproject.toml").write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=what) as caught:
        config.load(root, path, [path])
    assert len(caught.value.what) < 250 and str(path / "pyproject.toml") in str(caught.value.where)


@pytest.mark.parametrize(
    "text", ["project = 1\n", 'tool = "x"\n', "[tool]\nhelpers = 1\n", "[[project]]\na = 1\n", "[tool]\npoetry = []\n"]
)
def test_a_table_of_another_type_is_an_error_of_its_file(root: Path, text: str) -> None:
    path = add_dir(root, "a")
    (path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match="must be a table"):
        config.load(root, path, [path])


def test_a_damaged_memory_of_what_was_parsed_is_no_error(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\n')
    wanted = config.read_pyproject(tmp_path)
    (remembered,) = (cache / "parsed").iterdir()
    for damage in (b"", b"[]", b"\xff\xfe"):
        remembered.write_bytes(damage)
        config.read_pyproject.cache_clear()
        assert config.read_pyproject(tmp_path) == wanted == {"project": {"name": "a"}}
