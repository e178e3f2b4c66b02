from __future__ import annotations

import re
from itertools import product

import pytest

from helpers.model.runnable import flat_name


@pytest.mark.parametrize(
    "path, name",
    [
        (".", "~root"),
        ("runnable_dirs/services-base", "runnable_dirs.services-base"),
        ("v1.2/x", "v1~2e2.x"),
        ("a b/$(c)", "a~20b.~24~28c~29"),
        ("grün", "gr~c3~bcn"),
        ("not utf-8 \udcff", "not~20utf-8~20~ff"),
    ],
)
def test_a_path_reads_as_itself_as_far_as_it_can(path: str, name: str) -> None:
    assert flat_name(path) == name


def test_no_two_paths_have_the_same_name() -> None:
    parts = ["a", "b", "-", "_", ".", "~", "~2e", "2e", " ", "root", "a" * 160, "a" * 161]
    single = {part for part in parts if part != "."}
    paths = {".", *single, *("".join(two) for two in product(parts, parts) if "".join(two) != "..")}
    paths |= {"/".join(two) for two in product(single, single)}
    names = {flat_name(path) for path in paths}
    assert len(names) == len(paths) > 200
    assert all(re.fullmatch(r"[A-Za-z0-9_.~-]{1,150}", name) for name in names)
    # A hidden file, or the directory itself or the one above it, is none of them.
    assert not any(name.startswith(".") for name in names)
