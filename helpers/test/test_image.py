from __future__ import annotations

import re

import pytest

from helpers.model import image
from helpers.model.archive import meant_suite
from helpers.model.image import Base, BaseKind
from helpers.model.stage import Stage
from helpers.model.version import Version


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("archive:bookworm", BaseKind.ARCHIVE, "bookworm"),
        ("image:python:3.12-slim-bookworm", BaseKind.IMAGE, "python:3.12-slim-bookworm"),
        (
            "image:localhost:5000/a/b@sha256:01230123012301230123012301230123",
            BaseKind.IMAGE,
            "localhost:5000/a/b@sha256:01230123012301230123012301230123",
        ),
        ("dir:../base", BaseKind.DIR, "../base"),
        ("dir:a b", BaseKind.DIR, "a b"),
    ],
)
def test_a_base_is_its_kind_and_value_and_spells_itself(text: str, kind: BaseKind, value: str) -> None:
    base = Base.parse(text)
    assert (base.kind, base.value, str(base)) == (kind, value, text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "bookworm", "archive:", "dir:", "Archive:bookworm", "oci:x", "archive:../x", "archive:-x", "archive:a b"),
        *("image:--privileged", "image:a b", "image:a\nb", "image:$(id)"),
    ],
)
def test_a_text_that_no_kind_allows_is_not_a_base(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        Base.parse(text)


@pytest.mark.parametrize(
    "suite, meant",
    [
        *(("bokworm", "bookworm"), ("bookwrom", "bookworm"), ("trixe", "trixie"), ("bulseye", "bullseye")),
        *(("testin", "testing"), ("bookworm", ""), ("trixie", ""), ("sid", ""), ("stable", "")),
        # Of other distributions, and an odd one of Debian.
        *(("noble", ""), ("jammy", ""), ("questing", ""), ("buster", ""), ("bookworm-backports", "")),
    ],
)
def test_a_slip_of_the_pen_in_a_suite_is_known_and_other_names_are_allowed(suite: str, meant: str) -> None:
    assert meant_suite(suite) == meant
    if meant:
        with pytest.raises(ValueError, match=f"did you mean 'archive:{meant}'"):
            Base.parse(f"archive:{suite}")
    else:
        assert Base.parse(f"archive:{suite}").value == suite


def test_a_repository_is_the_registry_and_the_name_or_the_name_alone() -> None:
    assert image.repository("host:5000/team", "forecast") == "host:5000/team/forecast"
    assert image.repository("", "forecast") == "forecast"


@pytest.mark.parametrize("user", ["ann", "Ann Lee", "a/b:c", "gr\u00fcn", "-x"])
def test_tags_are_what_a_registry_accepts(user: str) -> None:
    tag = Stage.LOCAL.version_tag(Version(1, 2, 3), user)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", tag)
    assert tag.startswith("local-") and tag.endswith("-1.2.3")
    assert image.inputs_tag("0123456789abcdef" * 4) == "inputs-0123456789abcdef"


@pytest.mark.parametrize(
    "name, good",
    [
        *(("a", True), ("a-b_c.d", True), ("a__b", True), ("a--b", True), ("A", False), ("a_", False), ("-a", False)),
        *(("a..b", False), ("a/b", False), ("", False)),
    ],
)
def test_names_of_images_follow_the_registry_s_grammar(name: str, good: bool) -> None:
    assert bool(re.fullmatch(image.NAME_PATTERN, name)) is good
