"""Git dependencies of a lock: the commit that is fetched, the archive, and addresses that are refused."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from helpers.engine import context
from helpers.errors import ConfigError, InfrastructureError
from helpers.images import git_sources, lock_source
from helpers.model.poetry_lock import Pinned
from helpers.repo import remotes, source_archive
from helpers.storage import cache_dir
from helpers.test.unit_fixtures import LOCK, add_dir, cache, git, make_repo

__all__ = ["cache"]

FILES = {
    "py/setup.py": "1",
    "py/.gitattributes": "* export-ignore export-subst text eol=crlf\n",
    "py/data.txt": "$Format:%H$\n",
}


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo whose wanted commit is not its newest; git of this user may fetch from paths."""
    (tmp_path / "gitconfig").write_text('[protocol "file"]\nallow = always\n[tar]\numask = 0077\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    remotes.local_allowed.cache_clear()
    root = make_repo(tmp_path / "remote")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "wanted")
    (root / "later").touch()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "later")
    return root


def wanted(remote: Path, name: str = "HEAD~1") -> str:
    return git(remote, "rev-parse", name).strip()


def content(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        members = [item for item in archive if item.isfile()]
        assert {item.mtime for item in members} == {0} and all(item.mode & 0o444 == 0o444 for item in members)
        return {item.name: (archive.extractfile(item) or open("/dev/null", "rb")).read().decode() for item in members}


def test_archive_holds_every_file_of_the_commit_unchanged_and_is_the_same_twice(remote: Path, tmp_path: Path) -> None:
    made = [tmp_path / str(number) / "x.tar.gz" for number in range(2)]
    for file in made:
        file.parent.mkdir()
        source_archive.write(
            remote.as_uri(), wanted(remote), file, subdirectory="py", more={"PKG-INFO": "v", "setup.py": "2"}
        )
    expected = {name.replace("py/", "x/"): text for name, text in FILES.items()}
    assert content(made[0]) == {**expected, "x/PKG-INFO": "v"}
    assert made[0].read_bytes() == made[1].read_bytes() and [*made[0].parent.iterdir()] == [made[0]]


def test_unknown_commit_submodule_and_refused_address_are_errors(remote: Path, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="the commit aaaaaaaaaaaa of a git dependency cannot be fetched"):
        source_archive.write(remote.as_uri(), 40 * "a", tmp_path / "a.tar.gz", subdirectory="", more={})
    git(remote, "submodule", "--quiet", "add", remote.as_uri(), "inner")
    git(remote, "commit", "--quiet", "--message", "module")
    with pytest.raises(ConfigError, match="has the submodule inner"):
        source_archive.write(remote.as_uri(), wanted(remote, "HEAD"), tmp_path / "b.tar.gz", subdirectory="", more={})
    for url in ("git://host.example/x", "--upload-pack=touch x", "ext::sh"):
        with pytest.raises(ConfigError, match="a git dependency cannot be fetched"):
            source_archive.write(url, 40 * "a", tmp_path / "c.tar.gz", subdirectory="", more={})


def test_commit_of_an_export_becomes_an_archive_with_a_hash_that_a_build_gets(
    remote: Path, tmp_path: Path, cache: Path
) -> None:
    path = add_dir(make_repo(tmp_path / "r"), "one")
    (path / "poetry.lock").write_text(f'[[package]]\nname = "gitpkg"\nversion = "1.2"\n\n{LOCK}')
    plain = tmp_path / "plain.txt"
    plain.write_text("a==1 --hash=sha256:0\n")
    assert git_sources.fetched(plain, path) == plain
    line = f'Gitpkg[x] @ git+{remote.as_uri()}@{wanted(remote)}#subdirectory=py ; python_version < "4"\n'
    plain.write_text(line + plain.read_text())
    found = git_sources.fetched(plain, path).read_text()
    assert found.startswith(f"Gitpkg[x] @ {cache_dir().as_uri()}/git-sources/gitpkg-") and "git+" not in found
    assert ' ; python_version < "4" \\\n    --hash=sha256:' in found and found.endswith("a==1 --hash=sha256:0\n")
    given = context._with_sources(found, tmp_path / "sources")
    (archive,) = (tmp_path / "sources").iterdir()
    assert f" @ file:///run/context/sources/{archive.name} ; " in given
    assert "Version: 1.2\n" in content(archive)[f"{archive.name.removesuffix('.tar.gz')}/PKG-INFO"]
    plain.write_text(line.replace(wanted(remote), "main"))
    with pytest.raises(ConfigError, match="names no commit of 40 digits"):
        git_sources.fetched(plain, path)


def test_lock_with_an_address_that_is_never_fetched_is_refused() -> None:
    good = [
        Pinned("a", "1", (), "git", url)
        for url in ("ssh://git@h.example/a", "git@h.example:a", "https://h.example/a?rev=x#y")
    ]
    lock_source.check_repositories([*good, Pinned("b", "1", (), "directory", "../b")], Path("poetry.lock"))
    with pytest.raises(ConfigError, match=r"b comes from a git repository that helpers does not fetch: .* http,"):
        lock_source.check_repositories([Pinned("b", "1", (), "git", "http://h.example/b")], Path("poetry.lock"))
