"""What pip on this machine is told (`pip config list`), and how uv is told the same."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterable, Mapping

COMMAND = ("-m", "pip", "config", "list")
# pip merges nothing itself in this listing: a command's section wins over `global`, a variable over both.
_RANKS = {"global": 1, "install": 2, ":env:": 3}
# Where uv looks for what pip calls this; extra indexes are a case of their own.
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


def parse(listing: str) -> dict[str, str]:
    """Return the settings in the output of `pip config list`, by pip's option name; environment before file."""
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, equals, value = line.partition("=")
        section, _, option = key.rpartition(".")
        rank = _RANKS.get(section)
        if equals and rank and rank >= found.get(option, (0, ""))[0]:
            found[option] = rank, _text(value)
    return {option: value for option, (_, value) in found.items()}


def _text(value: str) -> str:
    # pip prints each value as a Python literal: several lines of a file are one with \n between them.
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value


def extra_indexes(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the URLs that are asked besides the index; uv reads no partial index from a directory well."""
    urls = settings.get("extra-index-url", "").split()
    return tuple(url for url in urls if url.startswith(("http://", "https://")))


def uv_strategy(environ: Mapping[str, str], extra: Iterable[str]) -> str:
    """Return uv's UV_INDEX_STRATEGY for pip's extra indexes; empty leaves it to uv.

    By itself uv takes a package from the first index that has any version of it; pip takes the best of all. What is
    installed has hashes, so nobody can slip in another package by its name.

    Arguments:
        environ: the process environment, whose own setting wins.
        extra: URLs of the extra indexes.
    """
    return environ.get("UV_INDEX_STRATEGY", "") or ("unsafe-best-match" if any(extra) else "")


def uv_environ(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv finds packages where this machine's pip does; a uv setting of the user wins.

    Arguments:
        environ: the process environment.
        settings: by pip's option name, as from `parse`.
    """
    wanted = {_UV_NAMES[option]: value for option, value in settings.items() if option in _UV_NAMES}
    extra = extra_indexes(settings)
    if extra:
        wanted |= {"UV_INDEX": " ".join(extra), "UV_INDEX_STRATEGY": uv_strategy(environ, extra)}
    if "REQUESTS_CA_BUNDLE" in environ:
        wanted.setdefault("SSL_CERT_FILE", environ["REQUESTS_CA_BUNDLE"])
    if "UV_FIND_LINKS" in wanted:
        wanted["UV_FIND_LINKS"] = ",".join(wanted["UV_FIND_LINKS"].split())
    if wanted.get("UV_NO_INDEX", "1").lower() in {"", "0", "no", "off", "false"}:
        del wanted["UV_NO_INDEX"]
    return {**wanted, **environ}


def ask(thin: str) -> dict[str, str]:
    """Return this machine's settings, asked of the pip in the thin environment, otherwise of the system's."""
    for python in (os.path.join(thin, "bin", "python"), "python3"):
        # `-m pip` takes modules from its current directory.
        done = subprocess.run([python, *COMMAND], cwd="/", capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return parse(done.stdout)
    return {}
