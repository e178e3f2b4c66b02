"""What must not be in a prod image is found in every layer of it; what belongs there is let through."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import config
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import layers, scan
from helpers.images import layout as files
from helpers.images.layers import Contents, Distribution, File, Layer, Package
from helpers.images.scan import Rules, judge
from helpers.images.tool_environment import python_of
from helpers.model import pinned_line
from helpers.model.runnable import RunnableDir
from helpers.registry.manifest import OCI_MANIFEST, Manifest
from helpers.test.registry_fixtures import Layout
from helpers.test.unit_fixtures import add_dir, cache, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]

SITE = "opt/venv/lib/python3.11/site-packages"
RULES = Rules(frozenset({("attrs", "26.1.0")}), frozenset({"git"}), ("test",), ("/srv/*",))
KEY = b"-----BEGIN RSA PRIVATE KEY-----\nabc\n"
IN_CODE = b'{"key": "' + KEY.replace(b"\nabc\n", b"\\n" + b"0123" * 16) + b'"}'
IMAGE = Manifest.of(b'{"config": {"digest": "sha256:c", "size": 1}, "layers": []}', OCI_MANIFEST)


def file(path: str, mode: int = 0o644) -> File:
    return File(path, "0", 1, mode, "")


def link(path: str, target: str, type: str = "2") -> File:
    return File(path, type, 0, 0o777, target)


def layer(
    *entries: File | str,
    removed: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
    distributions: Sequence[Distribution] = (),
    packages: Sequence[str] = (),
    owned: Sequence[str] = (),
) -> Layer:
    return Layer(
        digest="sha256:" + hashlib.sha256(repr((entries, removed)).encode()).hexdigest(),
        size=1,
        files=tuple(file(entry) if isinstance(entry, str) else entry for entry in entries),
        removed=tuple(removed),
        secrets=secrets or {},
        distributions=tuple(distributions),
        packages=tuple(Package(name, "1", "amd64", "") for name in packages),
        owned=frozenset(owned),
    )


def attrs(version: str = "26.1.0", brought: Mapping[str, str | None] | None = None) -> Distribution:
    path = f"{SITE}/attrs-{version}.dist-info"
    return Distribution(
        "attrs", version, "MIT", path, {f"{path}/METADATA": None, f"{SITE}/attr.py": None, **(brought or {})}
    )


def found(*held: Layer, rules: Rules = RULES) -> list[str]:
    return [f"{finding.what}: {finding.why}" for finding in judge(Contents("linux/amd64", IMAGE, held), rules)]


@pytest.mark.parametrize("path, what", [
    ("app/tool/.git/HEAD", "/app/tool/.git"),
    ("app/tool/.env", "/app/tool/.env"),
    ("home/x/.ssh/config", "/home/x/.ssh"),
    ("root/.cache/pip/http/a", "/root/.cache/pip/http/a"),
    ("var/lib/apt/lists/bookworm_InRelease", "/var/lib/apt/lists/bookworm_InRelease"),
    ("var/cache/apt/archives/git_1_amd64.deb", "/var/cache/apt/archives/git_1_amd64.deb"),
    ("var/cache/apt/pkgcache.bin", "/var/cache/apt/pkgcache.bin"),
    ("tmp/log", "/tmp/log"),
    ("app/tool/test/test_it.py", "/app/tool/test/test_it.py"),
    ("opt/more/conftest.py", "/opt/more/conftest.py"),
    ("usr/local/bin/uv", "/usr/local/bin/uv"),
    ("usr/local/bin/pip3.11", "/usr/local/bin/pip3.11"),
])  # fmt: skip
def test_a_file_that_must_not_be_there_is_found(path: str, what: str) -> None:
    assert [line.split(":")[0] for line in found(layer(path))] == [what]


@pytest.mark.parametrize("path", [
    "app/tool/tool/env.py",
    "app/tool/tool/test/data.json",
    "app/tool/contest.py",
    "etc/ssl/certs/ca-certificates.crt",
    "var/lib/apt/lists/lock",
    "opt/venv/CACHEDIR.TAG",
    "usr/local/bin/gcc-tool",
])  # fmt: skip
def test_a_file_that_belongs_there_is_not(path: str) -> None:
    assert found(layer(path)) == []


def test_a_file_that_a_later_layer_removes_is_found_all_the_same() -> None:
    (line,) = judge(Contents("linux/amd64", IMAGE, (layer(".env"), layer(removed=[".env"]))), RULES)
    assert line.layer == layer(".env").digest
    assert ".env" in str(line) and line.layer[:19] in str(line)


def test_a_private_key_is_found_unless_a_locked_package_brought_just_that() -> None:
    path = f"{SITE}/tornado/test/test.key"
    assert found(layer("etc/key.pem", secrets={"etc/key.pem": "1"})) == ["/etc/key.pem: a private key"]
    assert found(layer(path, secrets={path: "1"}, distributions=[attrs(brought={path: "1"})])) == []
    assert found(layer(path, secrets={path: "2"}, distributions=[attrs(brought={path: "1"})])) == [
        f"/{path}: a private key"
    ]
    assert found(layer("etc/key.pem", secrets={"etc/key.pem": "1"}, owned=["etc/key.pem"])) == []


def test_a_distribution_that_the_main_dependencies_do_not_pin_is_found() -> None:
    assert found(layer(distributions=[attrs()])) == []
    (line,) = found(layer(distributions=[attrs("25.0.0")]))
    assert line.endswith("attrs 25.0.0 is not what the lock pins for the main dependencies")
    assert found(layer(distributions=[attrs("9")]), rules=replace(RULES, pins=frozenset({("attrs", "")}))) == []


def test_a_copy_inside_a_distribution_or_a_package_is_no_distribution_of_the_image() -> None:
    copy = Distribution("six", "1", "", f"{SITE}/attr/_vendor/six-1.dist-info", {})
    assert found(layer(distributions=[attrs(brought={f"{copy.path}/METADATA": None}), copy])) == []
    assert len(found(layer(distributions=[attrs(), copy]))) == 1
    assert found(layer(distributions=[copy], owned=[f"{copy.path}/METADATA"])) == []


def test_a_build_tool_is_found_unless_the_directory_names_it() -> None:
    assert found(layer(packages=["gcc-12", "gcc-12-base", "git", "python3"])) == [
        "package gcc-12: a build tool that `system_packages` does not name"
    ]
    assert found(layer("usr/bin/git", owned=["usr/bin/git"])) == []


@pytest.mark.parametrize("entry, leads_to", [
    (link("app/tool/x", "/etc/passwd"), "/etc/passwd"),
    (link("app/tool/x", "../../etc/passwd"), "/etc/passwd"),
    (link("app/tool/x", "/app/../etc"), "/etc"),
    (link("app/tool/x", "etc/shadow", "1"), "/etc/shadow"),
])  # fmt: skip
def test_a_link_out_of_the_code_is_found(entry: File, leads_to: str) -> None:
    assert found(layer(entry)) == [f"/app/tool/x: a link out of /app, to {leads_to}"]


def test_a_link_that_stays_inside_or_stands_elsewhere_is_not() -> None:
    inside = (link("app/tool/x", "../tool/y"), link("app/tool/z", "app/tool/y", "1"), link("app/tool/y", "/app/tool/x"))
    assert found(layer(*inside, link("opt/venv/bin/python", "/usr/bin/python3"))) == []


def test_setuid_is_found_outside_the_packages_of_the_distribution_also_by_the_name_that_a_link_gives_it() -> None:
    su, own = file("usr/bin/su", 0o4755), file("usr/local/bin/own", 0o2755)
    merged = layer(link("bin", "usr/bin"), su, own, owned=["bin/su"])
    assert [line.split(":")[0] for line in found(merged)] == ["/usr/local/bin/own"]
    assert found(layer(File("var/mail", "5", 0, 0o2775, ""))) == []


def test_layers_of_a_base_that_was_published_are_not_judged_again() -> None:
    below = layer("usr/bin/gcc", ".env", distributions=[attrs("1.0")], packages=["gcc"])
    own = layer("app/tool/.env", packages=["gcc", "make"])
    assert len(found(below, own)) == 6
    rules = replace(RULES, published=frozenset({"sha256:below", "sha256:more"}))
    held = Contents("linux/amd64", IMAGE, (below, own), ("sha256:below", "sha256:own"))
    assert [f"{finding.what}: {finding.why}" for finding in judge(held, rules)] == [
        "/app/tool/.env: " + found(layer("app/tool/.env"))[0].partition(": ")[2],
        "package make: a build tool that `system_packages` does not name",
    ]


@pytest.mark.parametrize("diff_ids", [("sha256:own", "sha256:other"), ("sha256:below",), ()])
def test_an_image_without_the_layers_of_its_published_base_is_judged_as_a_whole(diff_ids: tuple[str, ...]) -> None:
    # As that of an own recipe whose `prod` begins with FROM scratch and copies from the stages before.
    copied = (layer("app/tool/.env", packages=["gcc"]), layer("usr/bin/make"))
    rules = replace(RULES, published=frozenset({"sha256:below", "sha256:more"}))
    assert judge(Contents("linux/amd64", IMAGE, copied, diff_ids), rules) == judge(
        Contents("linux/amd64", IMAGE, copied), RULES
    )
    assert len(found(*copied)) == 3


def test_what_the_directory_allows_is_let_through() -> None:
    assert found(layer("srv/data/.env")) == []
    assert found(layer(packages=["make"]), rules=replace(RULES, allows=("package make",))) == []


def test_what_is_outside_the_distribution_is_told_by_what_brought_it() -> None:
    below = layer("usr/bin/python3", "usr/lib/python3.11/__pycache__/os.cpython-311.pyc", "etc/passwd", "gone",
                  owned=["usr/bin/python3", "usr/lib/python3.11/os.py"])  # fmt: skip
    above = layer("app/tool/a.py", f"{SITE}/attr.py", f"{SITE}/__pycache__/attr.cpython-311.pyc", "opt/venv/pyvenv.cfg",
                  distributions=[attrs()], removed=["gone"])  # fmt: skip
    assert scan.outside_os(Contents("linux/amd64", IMAGE, (below, above))) == {
        "code": ["/app/tool/a.py"],
        "attrs 26.1.0": [f"/{SITE}/__pycache__/attr.cpython-311.pyc", f"/{SITE}/attr.py"],
        "environment": ["/opt/venv/pyvenv.cfg"],
        "system": ["/etc/passwd"],
    }


def test_a_removed_directory_takes_all_that_is_in_it() -> None:
    held = Contents("linux/amd64", IMAGE, (layer("a/b/c", "ab", "a/d"), layer("a/b/new", removed=["a/b"])))
    assert sorted(held.files) == ["a/b/new", "a/d", "ab"]


def test_exported_requirements_are_read() -> None:
    text = "attrs==26.1.0 ; python_version >= '3.11' \\\n    --hash=sha256:0\nzope.interface[x]==5\nown @ git+https://x/y\n"
    assert list(pinned_line.pins(text)) == [("attrs", "26.1.0"), ("zope-interface", "5"), ("own", "")]


# The reader of layers, in the tool environment that it needs.


def tar(**content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in content.items():
            item = tarfile.TarInfo(f"./{name}")
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def image(layout: Layout, config: Mapping[str, object], *blobs: bytes) -> str:
    """Make an image of these layers what the layout holds."""
    # A blob may be cut off.
    ids = ["sha256:" + hashlib.sha256(zlib.decompressobj(31).decompress(blob)).hexdigest() for blob in blobs]
    rootfs = {"type": "layers", "diff_ids": ids}
    whole = {"os": "linux", "architecture": "amd64", "config": config, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.blob(json.dumps(whole).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [layout.blob(blob, "application/vnd.oci.image.layer.v1.tar+gzip") for blob in blobs],
    }
    top = layout.blob(json.dumps(manifest).encode(), OCI_MANIFEST)
    files.set_top(layout.path, top)
    return str(top["digest"])


STATUS = b"""\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36)
Version: 2.36-9
Description: a library
 of many: lines

Package: gone
Status: deinstall ok config-files
Version: 1
"""


@pytest.mark.host
@pytest.mark.slow
def test_a_layer_is_read_once_and_tells_what_is_installed(tmp_path: Path) -> None:
    info = f"{SITE}/attrs-26.1.0.dist-info"
    blob = tar(
        **{
            "var/lib/dpkg/status": STATUS,
            "var/lib/dpkg/info/libc6:amd64.list": b"/.\n/lib\n/lib/libc.so.6\n",
            f"{info}/METADATA": b"Name: attrs\nVersion: 26.1.0\nLicense-Expression: MIT\n\nVersion: 0\n",
            f"{info}/RECORD": b"attr.py,sha256=4ER5wxnHY0dR09GFxOr0mNAdAhTj5mBbBN3uGEuI9ss,3\n../../../bin/attr,,\n",
            "etc/key.pem": b"x" * (1 << 22) + b"\n" + KEY,
            "etc/no-key.txt": b"what begins with " + KEY,
            "etc/sample.json": IN_CODE,
            "app/tool/login.json": IN_CODE,
            "a/.wh.b": b"",
            "app/tool/a.py": b"1",
            "usr/lib/os-release": b'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n',
        }
    )
    layout = Layout(tmp_path / "layout")
    digest = image(layout, {}, blob)
    (held,) = layers.contents(layout.path, digest)
    (read,) = held.layers
    assert held.diff_ids == ("sha256:" + hashlib.sha256(gzip.decompress(blob)).hexdigest(),)
    assert read.packages == (Package("libc6", "2.36-9", "amd64", "glibc"),)
    assert read.owned == {"lib", "lib/libc.so.6"}
    (one,) = read.distributions
    assert (one.name, one.version, one.licence, one.path) == ("attrs", "26.1.0", "MIT", info)
    assert set(one.files) == {f"{SITE}/attr.py", "opt/venv/bin/attr"}
    assert len(one.files[f"{SITE}/attr.py"] or "") == 64
    assert list(read.secrets) == ["etc/key.pem", "app/tool/login.json"]
    assert read.removed == ("a/b",)
    assert held.code["app/tool/a.py"] == hashlib.sha256(b"1").hexdigest()
    assert (held.system["ID"], held.system["VERSION_ID"]) == ("debian", "12")
    assert "etc/no-key.txt" in held.files and "a/.wh.b" not in held.files
    files.blob_path(layout.path, read.digest).unlink()
    assert layers.contents(layout.path, digest) == [held], "the blob was read again"


@pytest.mark.host
@pytest.mark.slow
def test_a_layer_that_is_cut_off_is_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    digest = image(layout, {}, tar(**{"a": b"x" * 100000, str(tmp_path): b""})[:-30])
    with pytest.raises(InfrastructureError, match="can not be read"):
        layers.contents(layout.path, digest)


@pytest.fixture
def reader() -> Path:
    """The Python of the reader, found before a test has a cache of its own."""
    return python_of("layers")


@pytest.mark.host
@pytest.mark.slow
def test_an_image_is_refused_with_all_that_is_wrong_in_at_most_20_lines(
    reader: Path, tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "python_of", lambda name: reader)
    root = make_repo(tmp_path / "r")

    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    runnable = load(add_dir(root, "one"))
    layout = Layout(tmp_path / "layout")
    sound = {"User": "65532:65532", "Entrypoint": ["python"]}
    report = scan.check(layout.path, image(layout, sound, tar(**{"app/one/a.py": b"1"})), runnable, load)
    assert report.lines == [
        "linux/amd64: 1 layers, 0 MB compressed, 0 MB unpacked; 0 packages of the distribution, "
        "0 Python distributions, 1 files of code"
    ]
    planted = {f"app/one/{number}/.env": b"A=1" for number in range(30)} | {"key": KEY}
    with pytest.raises(PolicyError) as caught:
        scan.check(layout.path, image(layout, {"User": "0:0"}, tar(**planted)), runnable, load)
    assert caught.value.exit_code == 4
    lines = str(caught.value).splitlines()
    assert len(lines) <= 21 + 1 and "/app/one/0/.env" in lines[1] and lines[19] == "  and 15 more"
    for config_, why in (({"User": "root:root", "Cmd": ["x"]}, "runs as root"), ({"User": "1"}, "starts nothing")):
        with pytest.raises(PolicyError, match=why):
            scan.check(layout.path, image(layout, config_, tar()), runnable, load)
