"""What of a directory's own goes into its prod image: tracked files, and among them no secret, by whatever name."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from helpers import config
from helpers.errors import ConfigError, PolicyError
from helpers.images import code
from helpers.images.forbidden import why_forbidden
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo

__all__ = ["cache"]

HELPERS = Path(__file__).resolve().parents[1]
# Put together here, so that this file holds no key itself.
BASE64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ"
RULE = "-" * 5


def key(kind: str = "", block: str = "") -> str:
    return f"{RULE}BEGIN {kind}PRIVATE KEY{block}{RULE}"


@pytest.fixture
def path(tmp_path: Path, cache: Path) -> Path:
    """A runnable dir with a package `tool`."""
    root = make_repo(tmp_path / "r")
    add_dir(root, ".")
    path = add_dir(root, "one")
    (path / "tool").mkdir()
    (path / "tool" / "__init__.py").write_text("")
    return path


def copied(path: Path) -> list[str]:
    git(path, "add", "tool", "pyproject.toml")
    return [item.name for item in code.files(config.load(path.parent, path, [path.parent, path]))]


def test_the_shims_of_a_root_are_no_code_of_its_image(path: Path) -> None:
    for name in ("tasks.py", "main_pytest.py", "mine.py"):
        (path / name).write_text("")
        git(path, "add", name)
    assert copied(path) == ["mine.py", "tool/__init__.py"]


@pytest.fixture
def lib(path: Path) -> Path:
    """A directory with code beside the runnable dir, which finds its modules there."""
    lib = path.parent / "lib"
    for name in ("prices/__init__.py", "prices/test/test_it.py", "top.py", "test/test_top.py", "setup.py", "notes.txt"):
        (lib / name).parent.mkdir(parents=True, exist_ok=True)
        (lib / name).write_text("")
    project = path / "pyproject.toml"
    project.write_text(f'{project.read_text()}python_path = ["../lib"]\n')
    git(lib, "add", "--all")
    return lib


def test_modules_of_other_directories_are_in_the_image_under_their_own_names(path: Path, lib: Path) -> None:
    assert copied(path) == ["tool/__init__.py", "prices/__init__.py", "top.py"]


def test_module_that_two_directories_have_is_refused(path: Path, lib: Path) -> None:
    (lib / "tool").mkdir()
    (lib / "tool" / "__init__.py").write_text("")
    git(lib, "add", "--all")
    with pytest.raises(ConfigError, match="are one file in a prod image"):
        copied(path)


def test_link_out_of_another_directory_is_refused(path: Path, lib: Path) -> None:
    (lib / "prices" / "x.py").symlink_to(path / "tool" / "__init__.py")
    git(lib, "add", "--all")
    with pytest.raises(PolicyError, match="is a link out of"):
        copied(path)


@pytest.mark.parametrize(
    "target, tracked, says",
    [
        (".env", False, "may not be in an image: .env"),
        (".env", True, "may not be in an image: .env"),
        ("notes.txt", False, "a link to notes.txt, which git does not track"),
    ],
)
def test_a_link_to_what_may_not_be_copied_is_refused(path: Path, target: str, tracked: bool, says: str) -> None:
    (path / target).write_text("PASSWORD=x\n")
    if tracked:
        git(path, "add", "--force", target)
    (path / "tool" / "settings.ini").symlink_to(f"../{target}")
    with pytest.raises(PolicyError, match=says) as caught:
        copied(path)
    assert caught.value.where == str(path / "tool" / "settings.ini")
    if "may not be in an image" in says:
        command, _, other = str(caught.value.fix).partition("  (")
        assert other
        subprocess.run(shlex.split(command), check=True, capture_output=True)
        forget()
        runnable = config.load(path.parent, path, [path.parent, path])
        assert [item.name for item in code.files(runnable)] == ["tool/__init__.py"]


def test_a_link_out_of_the_directory_is_refused_with_what_to_do(path: Path) -> None:
    (path.parent / "outside.txt").write_text("x")
    (path / "tool" / "settings.ini").symlink_to("../../outside.txt")
    with pytest.raises(PolicyError, match="is a link out of") as caught:
        copied(path)
    assert caught.value.fix == "copy the file in place of the link, or leave tool/settings.ini out of `code`"


def test_a_link_to_a_tracked_file_is_copied(path: Path) -> None:
    (path / "notes.txt").write_text("x")
    git(path, "add", "notes.txt")
    (path / "tool" / "notes.txt").symlink_to("../notes.txt")
    assert copied(path) == ["tool/__init__.py", "tool/notes.txt"]


@pytest.mark.parametrize(
    "text",
    [
        f"{key()}\nx\n",
        f"{key('RSA ')}\r\n{BASE64}\r\n",
        f"pem: |\n    {key('OPENSSH ')}\n    {BASE64}\n",
        f'{{"private_key": "{key()}\\n{BASE64}\\n"}}',
        f'"{{\\"private_key\\": \\"{key()}\\\\n{BASE64}"',
        f'KEY = """{key("EC ")}\n{BASE64}\n"""',
        f'KEY = (\n    "{key()}\\n"\n    "{BASE64}\\n"\n)',
        f"KEY = b'{key()}\\r\\n' + \\\n    b'{BASE64}'",
        f"{key('PGP ', ' BLOCK')}\n\n{BASE64}\n",
        f"  {key('PGP ', ' BLOCK')}\n  Version: GnuPG v2\n  Comment: mine\n\n  {BASE64}\n",
        f"  {key('RSA ')}\n  Proc-Type: 4,ENCRYPTED\n  DEK-Info: AES-128-CBC,0123\n\n  {BASE64}\n",
    ],
)
def test_a_private_key_is_seen_in_whatever_it_lies(text: str) -> None:
    assert why_forbidden("a", text.encode()) == "a private key"


@pytest.mark.parametrize(
    "text",
    [
        f"BEGIN = '{key()}'\n",
        f"if '{key()}' in text:\n    raise ValueError\n",
        f"'{key()}\\nabc\\n'",
        f"a file that begins with {key('RSA ')} is refused\n",
        f"{RULE}BEGIN PUBLIC KEY{RULE}\n{BASE64}\n",
        f"  {RULE}BEGIN CERTIFICATE{RULE}\n  {BASE64}\n",
    ],
)
def test_what_only_speaks_of_private_keys_is_none(text: str) -> None:
    assert why_forbidden("a", text.encode()) == ""


def test_nothing_in_helpers_is_taken_for_a_key() -> None:
    # Where the tests run git sees no repo.
    files = [file for file in HELPERS.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert len(files) > 100
    assert [str(file) for file in files if why_forbidden("a", file.read_bytes())] == []
