"""Reads layers of an image and writes what is in each one as JSON.

Runs inside its own tool environment, because Python before 3.14 cannot read zstd, and imports nothing of ours.

usage: python read_layers.py < REQUEST

REQUEST is JSON: `secret`, a regular expression of what makes a file a secret, `secret_in_code`, the same for files
below /app, `marker`, bytes without which neither matches, and `layers`, a list of pairs of a blob and the file that its
report goes to. A report is JSON:

- `files`: [path, type, size in bytes, mode, target of a link] of each entry; the type is that of tar, paths have no
  leading slash
- `secrets`: the sha256 of each file that holds one, by path
- `distributions`: name, version, licence and directory of each Python distribution, and `files`: the sha256 (or null)
  of each of its files by path
- `packages`: name, version, architecture and source of each installed package of the distribution
- `owned`: paths that these packages brought
- `code`: the sha256 of each file below /app, by path
- `system`: the fields of os-release
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import posixpath
import re
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from email.parser import HeaderParser
from typing import IO, Any, NamedTuple

import zstandard

_PIECE = 1 << 22
# A match may not be longer: what is kept of one piece for the next one.
_OVERLAP = 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_METADATA = re.compile(r"(?P<of>.*/[^/]+\.(dist|egg)-info)(/(METADATA|PKG-INFO|RECORD))?")
# https://www.freedesktop.org/software/systemd/man/latest/os-release.html
_SYSTEM = ("etc/os-release", "usr/lib/os-release")


class Rules(NamedTuple):
    """What makes a file a secret, as in a request."""

    secret: re.Pattern[bytes]
    secret_in_code: re.Pattern[bytes]
    marker: bytes


class Report:
    """What one layer holds."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str, int, int, str]] = []
        self.secrets: dict[str, str] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.packages: list[dict[str, str]] = []
        self.owned: set[str] = set()
        self.code: dict[str, str] = {}
        self.system: dict[str, str] = {}

    def keep(self, path: str, content: bytes) -> None:
        """Take in the content of a file that says what is installed."""
        text = content.decode("utf-8", "replace")
        if found := _METADATA.fullmatch(path):
            kind = "RECORD" if path.endswith("/RECORD") else "METADATA"
            self.metadata.setdefault(found["of"], {})[kind] = text
        elif path in _SYSTEM:
            self.system = dict(re.findall(r"^(\w+)=[\"']?(.*?)[\"']?$", text, re.MULTILINE))
        elif path.startswith("app/"):
            self.code[path] = hashlib.sha256(content).hexdigest()
        elif path.endswith(".list"):
            self.owned.update(line.strip("/") for line in text.splitlines() if line not in ("/.", ""))
        else:
            self.packages += _packages(text)

    def as_json(self) -> dict[str, Any]:
        """Return the report."""
        return {
            "files": self.files,
            "secrets": self.secrets,
            "distributions": [_distribution(path, texts) for path, texts in sorted(self.metadata.items())],
            "packages": self.packages,
            "owned": sorted(self.owned),
            "code": self.code,
            "system": self.system,
        }


def says_what_is_installed(path: str) -> bool:
    """Say whether the content of a file is needed as a whole."""
    if path.startswith("var/lib/dpkg/"):
        rest = path.removeprefix("var/lib/dpkg/")
        below = rest.startswith("status.d/") and not rest.endswith((".md5sums", ".preinst", ".postinst"))
        return rest == "status" or below or (rest.startswith("info/") and rest.endswith(".list"))
    if path in _SYSTEM or path.startswith("app/"):
        return True
    return path.endswith(("/METADATA", "/PKG-INFO", "/RECORD", ".egg-info")) and bool(_METADATA.fullmatch(path))


def read(blob: str, rules: Rules) -> Report:
    """Return what the layer in the file `blob` holds."""
    report = Report()
    with open(blob, "rb") as raw, tarfile.open(fileobj=_plain(raw), mode="r|", bufsize=1 << 20) as tar:
        for item in tar:
            path = posixpath.normpath(item.name).lstrip("/")
            report.files.append((path, item.type.decode(), item.size, item.mode, item.linkname))
            if item.isreg() and item.size:
                content = tar.extractfile(item)
                assert content
                whole = content.read() if says_what_is_installed(path) else b""
                if whole:
                    report.keep(path, whole)
                    content = io.BytesIO(whole)
                secret = rules.secret_in_code if path.startswith("app/") else rules.secret
                if (found := _secret(content, secret, rules.marker)) is not None:
                    report.secrets[path] = found
            tar.members.clear()  # type: ignore[attr-defined]  # A stream keeps what it has read; nobody asks again.
    return report


def _plain(raw: IO[bytes]) -> Any:
    start = raw.read(4)
    raw.seek(0)
    if start == _ZSTD:
        return zstandard.ZstdDecompressor().stream_reader(raw, read_size=1 << 20, read_across_frames=True)
    if start.startswith(_GZIP):
        import gzip

        return gzip.open(raw)
    return raw


def _secret(content: IO[bytes], secret: re.Pattern[bytes], marker: bytes) -> str | None:
    """Return the sha256 of a file that holds a secret."""
    before, found, total = b"", False, hashlib.sha256()
    while piece := content.read(_PIECE):
        total.update(piece)
        if not found and marker in (both := before + piece if before else piece):
            found = bool(secret.search(both))
        before = piece[-_OVERLAP:]
    return total.hexdigest() if found else None


def _distribution(path: str, texts: dict[str, str]) -> dict[str, Any]:
    """Return a Python distribution, by https://packaging.python.org/en/latest/specifications/recording-installed-packages/."""
    head = HeaderParser().parsestr(texts.get("METADATA", ""))
    stem = posixpath.basename(path).rpartition(".")[0]
    name, _, version = stem.partition("-")
    where = posixpath.dirname(path)
    files: dict[str, str | None] = {}
    for row in csv.reader(io.StringIO(texts.get("RECORD", ""))):
        if row:
            kind, _, value = (row[1] if len(row) > 1 else "").partition("=")
            files[posixpath.normpath(posixpath.join("/", where, row[0])).lstrip("/")] = (
                base64.urlsafe_b64decode(f"{value}==").hex() if kind == "sha256" else None
            )
    return {
        "name": str(head["Name"] or name),
        "version": str(head["Version"] or version),
        # https://peps.python.org/pep-0639/
        "licence": str(head["License-Expression"] or ""),
        "path": path,
        "files": files,
    }


def _packages(text: str) -> Iterator[dict[str, str]]:
    """Yield the installed packages of dpkg's status (https://manpages.debian.org/bookworm/dpkg/dpkg-query.1)."""
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", block, re.MULTILINE))
        if "Package" in fields and fields.get("Status", "install ok installed").endswith(" installed"):
            yield {
                "name": fields["Package"],
                "version": fields.get("Version", ""),
                "architecture": fields.get("Architecture", ""),
                "source": fields.get("Source", "").partition(" ")[0],
            }


def _write(blob: str, out: str, rules: Rules) -> None:
    report = read(blob, rules)
    aside = f"{out}.{os.getpid()}"
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(report.as_json(), file, separators=(",", ":"))
    os.replace(aside, out)


def main() -> None:
    """Read the layers side by side, the largest first."""
    request = json.load(sys.stdin)
    secret, in_code = (re.compile(request[name].encode(), re.MULTILINE) for name in ("secret", "secret_in_code"))
    rules = Rules(secret, in_code, request["marker"].encode())
    largest_first = sorted(request["layers"], key=lambda pair: -os.path.getsize(pair[0]))
    with ProcessPoolExecutor(max_workers=min(len(largest_first), os.cpu_count() or 1) or 1) as pool:
        jobs = [pool.submit(_write, blob, out, rules) for blob, out in largest_first]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
