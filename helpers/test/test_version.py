from __future__ import annotations

import pytest

from helpers.model.version import Range, Version


def test_versions_are_compared_as_numbers() -> None:
    texts = ["1.10.0", "1.9.0", "0.20.1", "1.9.10", "1.9.9", "10.0.0"]
    assert [str(version) for version in sorted(map(Version.parse, texts))] == [
        "0.20.1",
        "1.9.0",
        "1.9.9",
        "1.9.10",
        "1.10.0",
        "10.0.0",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3-rc1", "01.2.3", "1.2.03", " 1.2.3", "1.2.3\n", "1.-2.3", "1.2.\u0663"],
)
def test_anything_but_three_plain_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


# Code, image, and whether the one may run in the other: the contract that host and container both keep.
AGREEMENT = [
    ("1.2.0", "1.2.0", True),
    ("1.2.3", "1.2.0", True),
    ("1.2.0", "1.2.9", True),
    ("1.2.10", "1.2.9", True),
    ("0.1.0", "0.1.7", True),
    ("1.2.0", "1.3.0", False),
    ("1.3.0", "1.2.0", False),
    ("1.9.0", "1.10.0", False),
    ("1.10.0", "1.1.0", False),
    ("1.1.0", "11.1.0", False),
    ("2.2.0", "1.2.0", False),
    ("1.2.0", "2.2.0", False),
    ("0.2.0", "2.0.2", False),
]


@pytest.mark.parametrize("code, image, may", AGREEMENT)
def test_code_runs_in_an_image_of_the_same_major_and_minor(code: str, image: str, may: bool) -> None:
    assert Version.parse(code).runs_in(Version.parse(image)) is may


@pytest.mark.parametrize(
    "code, images, newest",
    [
        ("1.9.3", ["1.9.9", "1.9.10", "1.9.0", "1.10.0", "2.0.0"], "1.9.10"),
        ("1.9.3", ["1.9.0"], "1.9.0"),
        ("1.9.3", ["1.8.7", "1.10.0", "2.9.3"], None),
        ("1.9.3", [], None),
    ],
)
def test_of_several_images_the_newest_that_fits_is_taken(code: str, images: list[str], newest: str | None) -> None:
    found = Version.parse(code).newest_image(map(Version.parse, images))
    assert (str(found) if found else None) == newest


@pytest.mark.parametrize(
    ("text", "within", "below", "above"),
    [
        (">=0.1,<1", ["0.1.0", "0.99.9"], ["0.0.9"], ["1.0.0", "2.1.0"]),
        (" >= 0.1.2 , <= 0.3 ", ["0.1.2", "0.3.0"], ["0.1.1"], ["0.3.1"]),
        (">1", ["1.0.1", "9.0.0"], ["1.0.0"], []),
        ("==1.2.3", ["1.2.3"], ["1.2.2"], ["1.2.4"]),
    ],
)
def test_a_range_says_which_versions_are_within_below_and_above_it(
    text: str, within: list[str], below: list[str], above: list[str]
) -> None:
    wanted = Range.parse(text)
    assert [wanted.allows(Version.parse(one)) for one in [*within, *below, *above]] == [True] * len(within) + [
        False
    ] * len(below + above)
    assert all(wanted.is_above(Version.parse(one)) for one in below)
    assert not any(wanted.is_above(Version.parse(one)) for one in above)
    assert str(wanted) == text


@pytest.mark.parametrize("text", ["", ",", "0.1", "~=1", ">=0.1,", ">=1.2.3.4", ">=01", "=>1", ">=1 <2", ">=\u0663"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no range of versions"):
        Range.parse(text)
