"""The login of a package index: which place has it, which index gets it, and what a message says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import host, index_login, index_refusal, proc
from helpers.errors import ConfigError
from helpers.images import lock_source, package_indexes
from helpers.model import package_index
from helpers.model.package_index import PackageIndex
from helpers.test import package_index as server
from helpers.test.lock_samples import UV
from helpers.test.test_host import machine
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache", "machine"]

URL = "https://index.invalid:8443/corp/simple"
RUN = proc.run
CORP = PackageIndex(f"{URL}/", ("corp.east",))


@pytest.fixture
def home(machine: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without a login, and a PATH without a keyring."""
    for name in ("NETRC", "POETRY_CONFIG_DIR", "XDG_CONFIG_HOME", "UV_KEYRING_PROVIDER", "PIP_KEYRING_PROVIDER"):
        machine.delenv(name, raising=False)
    machine.setenv("HOME", str(tmp_path))
    machine.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    silent = proc.run
    machine.setattr(proc, "run", lambda argv, **given: RUN(argv, **given) if "keyring" in argv[0] else silent(argv))
    return tmp_path


def found(index: PackageIndex = CORP) -> tuple[str, str] | None:
    login = index_login.of(index)
    return (login.user, login.password) if login else None


def test_index_without_a_login_has_none(home: Path) -> None:
    assert found() is None and found(PackageIndex("http://[x")) is None and found(PackageIndex("file:///x")) is None


@pytest.mark.parametrize("stem", ["UV_INDEX_CORP_EAST", "POETRY_HTTP_BASIC_CORP_EAST"])
def test_variables_of_each_tool_are_found_by_the_name_of_the_index(
    home: Path, monkeypatch: pytest.MonkeyPatch, stem: str
) -> None:
    monkeypatch.setenv(f"{stem}_USERNAME", "ann")
    monkeypatch.setenv(f"{stem}_PASSWORD", "pw")
    assert found() == ("ann", "pw")
    assert found(PackageIndex(URL, ("other",))) is None and found(PackageIndex(URL)) is None


def test_netrc_has_the_login_of_a_host_and_a_wrong_file_has_none(home: Path) -> None:
    file = home / ".netrc"
    file.write_text("machine index.invalid login ann password pw\nmachine other.invalid login bob password no\n")
    file.chmod(0o600)
    assert found() == ("ann", "pw") and found(PackageIndex(URL)) == ("ann", "pw")
    assert found(PackageIndex(URL.replace("://", "://carol@"))) is None
    assert found(PackageIndex(URL.replace("index.", "no."))) is None
    file.write_text("machine\n\x00nonsense")
    assert found() is None


def test_auth_toml_of_poetry_has_the_login_of_a_name(home: Path) -> None:
    file = home / ".config" / "pypoetry" / "auth.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[http-basic."corp.east"]\nusername = "ann"\npassword = "pw"\n')
    assert found() == ("ann", "pw") and found(PackageIndex(URL)) is None
    file.write_text("nonsense")
    assert found() is None


def test_keyring_is_asked_only_if_a_variable_asks_for_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = home / "bin" / "keyring"
    program.write_text('#!/bin/sh\necho "$@" >> "$HOME/asked"\ntest "$1" = get && echo pw || printf "ann\\npw\\n"\n')
    program.chmod(0o755)
    assert found() is None and not (home / "asked").exists()
    monkeypatch.setenv("UV_KEYRING_PROVIDER", "subprocess")
    assert found() == ("ann", "pw")
    assert found(PackageIndex(URL.replace("://", "://bob@"))) == ("bob", "pw")
    assert (home / "asked").read_text() == f"--mode creds get {URL}\nget {URL} bob\n"
    for address in (URL.replace("://", "://--disable@"), "https://--disable/simple"):
        assert found(PackageIndex(address)) is None
    assert (home / "asked").read_text().count("\n") == 2, "an option for the program comes from a checkout"
    program.write_text('#!/bin/sh\ntest "$*" = "get poetry-repository-corp.east ann" && echo pw\n')
    monkeypatch.setenv("POETRY_HTTP_BASIC_CORP_EAST_USERNAME", "ann")
    assert found() == ("ann", "pw")


def test_index_of_a_project_gets_the_login_of_the_machine_s_index_on_the_same_server_only(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", f"here={URL.replace('://', '://ann:p%2Fw@')}")
    forget()
    assert host.settings().extra_indexes == (URL.replace("://", "://ann:p%2Fw@"),)
    env = host.settings().beside([CORP, PackageIndex("https://index.invalid/x")]).environment(None)
    assert env["UV_INDEX"].split()[:2] == [URL.replace("://", "://ann:p%2Fw@"), "https://index.invalid/x"]
    assert env["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "p%2Fw" not in repr(host.settings()) and "p/w" not in repr(host.settings().login_of(CORP))


def test_named_index_of_the_machine_gets_its_login_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("USERNAME", "ann"), ("PASSWORD", "p@w")):
        monkeypatch.setenv(f"UV_INDEX_CORP_{name}", value)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"corp={URL}")
    forget()
    assert host.settings().index == URL.replace("://", "://ann:p%40w@") and host.pip_index() == host.settings().index
    assert "UV_INDEX_STRATEGY" not in host.settings().environment(None)


def test_one_address_has_one_entry_with_all_its_names() -> None:
    indexes = [PackageIndex("https://a.invalid/", ("x",)), PackageIndex("https://u@a.invalid", ("y", "x"))]
    assert package_index.merged(indexes) == (PackageIndex("https://a.invalid/", ("x", "y")),)


def test_indexes_of_a_lock_are_those_that_its_packages_come_from(home: Path, cache: Path) -> None:
    path = add_dir(make_repo(home / "r"), "one", locked=False)
    project = (path / "pyproject.toml").read_text()
    tables = "".join(
        f'\n[[tool.{tool}]]\nname = "{name}"\nurl = "https://{name}.invalid/simple"\n'
        for tool in ("poetry.source", "uv.index")
        for name in ("used", "unused")
    )
    (path / "pyproject.toml").write_text(project + tables)
    package = '[[package]]\nname = "a"\nversion = "1"\n[package.source]\ntype = "legacy"\nurl = "{}"\n'
    forget()
    assert package_indexes.of(path) == ()
    (path / "poetry.lock").write_text(package.format("https://used.invalid/simple"))
    assert package_indexes.of(path) == (PackageIndex("https://used.invalid/simple", ("used",)),)
    forget()
    (path / "poetry.lock").unlink()
    (path / "uv.lock").write_text(UV.replace("index.example", "used.invalid"))
    assert [index.names for index in package_indexes.of(path)] == [("used",)]
    assert len(package_indexes.named(lock_source.of(path))) == 2


def test_poetry_gets_the_login_of_a_derived_project_by_the_name_in_that_project(
    home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add_dir(make_repo(home / "r"), "one", locked=False)
    (path / "devops" / "helpers.toml").write_text('base = "archive:bookworm"\n')
    source = (
        f'[tool.uv.sources]\na = {{index = "corp"}}\n[[tool.uv.index]]\nname = "corp"\nurl = "{URL}"\nexplicit = true\n'
    )
    (path / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "1"\ndependencies = ["a"]\n{source}')
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "ann")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "pw")
    forget()
    given = package_indexes.login_variables(lock_source.to_write(path))
    assert given["POETRY_HTTP_BASIC_OWN_1_USERNAME"] == "ann" and given["POETRY_HTTP_BASIC_OWN_1_PASSWORD"] == "pw"


def test_refused_login_is_named_by_its_index_and_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with server.serve(login="ann:right") as index:
        corp = PackageIndex(index.url, ("corp",))
        words = "Because there is no version of a==1"
        missing = index_refusal.of_install(words, [corp], "d")
        assert isinstance(missing, ConfigError) and missing.exit_code == 2
        assert missing.what == "the package index 'corp' needs a login, and there is none"
        assert str(missing.fix).startswith("export UV_INDEX_CORP_USERNAME=USER UV_INDEX_CORP_PASSWORD=PASSWORD  (")
        assert index_refusal.of_install("error: hash mismatch", [corp], "d") is None
        monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "ann")
        for password, refused in (("wr0ng", True), ("right", False)):
            monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", password)
            error = index_refusal.of_install(words, [corp], "d")
            assert (error is not None) is refused and "wr0ng" not in str(error)
        said = f"Source (own-1): Authorization error accessing {index.url}/a/"
        named = index_refusal.of_poetry(said, [corp], "d")
        assert named and "refuses the login of UV_INDEX_CORP_USERNAME and UV_INDEX_CORP_PASSWORD" in named.what
        assert index_refusal.of_poetry(said.replace("127.0.0.1", "127.0.0.2"), [corp], "d") is None
