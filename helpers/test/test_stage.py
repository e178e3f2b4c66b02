"""Tags of stages, and date tags of bases."""

from __future__ import annotations

import datetime

import pytest

from helpers.model.stage import DateTag, Stage, candidate_tag, date_tags, next_date_tag
from helpers.model.version import Version

TODAY = datetime.date(2026, 11, 21)


@pytest.mark.parametrize(
    ("stage", "tag"),
    [(Stage.LOCAL, "local-ann.b-1.10.0"), (Stage.DEV, "dev-1.10.0"), (Stage.PROD, "prod-1.10.0")],
)
def test_each_stage_has_its_tag(stage: Stage, tag: str) -> None:
    assert stage.version_tag(Version(1, 10, 0), "ann b") == tag


@pytest.mark.parametrize(
    "tag", ["dev", "prod-1.2.3", "dev-1.2", "dev-01.2.3", "dev-1.2.3-rc", "development-1.2.3", "latest"]
)
def test_a_tag_of_another_kind_has_no_version_in_dev(tag: str) -> None:
    assert Stage.DEV.version_of(tag) is None


def test_a_version_tag_gives_its_version_back() -> None:
    assert Stage.DEV.version_of("dev-1.10.0") == Version(1, 10, 0)


@pytest.mark.parametrize(
    "text", ["2026.11.21", "2026.13.01.0", "2026.02.30.0", "26.11.21.0", "2026.11.21.00", "2026.11.21.-1", "2026.1.2.0"]
)
def test_what_is_no_date_tag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"date tag|month|day"):
        DateTag.parse(text)


def test_date_tags_are_compared_as_numbers() -> None:
    texts = ["2026.11.21.10", "2026.11.21.9", "latest", "2026.11.20.30"]
    assert [str(tag) for tag in date_tags(texts)] == ["2026.11.20.30", "2026.11.21.9", "2026.11.21.10"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], "2026.11.21.0"),
        (["2026.11.20.7", "latest"], "2026.11.21.0"),
        (["2026.11.21.0"], "2026.11.21.1"),
        (["2026.11.21.9", "2026.11.21.10"], "2026.11.21.11"),
        # 0 and 1 were deleted: their numbers are not given again.
        (["2026.11.21.2"], "2026.11.21.3"),
    ],
)
def test_the_next_date_tag_is_one_above_the_highest(known: list[str], expected: str) -> None:
    assert str(next_date_tag(known, TODAY)) == expected


def test_candidates_of_a_version_begin_alike_and_end_with_their_digest() -> None:
    tag = candidate_tag(Version(1, 2, 0), "sha256:0123456789abcdef")
    assert tag == "candidate-1.2.0-0123456789ab"
    assert tag.startswith(candidate_tag("1.2.0"))
    assert not tag.startswith(candidate_tag("1.2"))
