from __future__ import annotations

import pytest

from helpers.model.version import Version


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


@pytest.mark.parametrize(
    "code, image, may",
    [("1.2.3", "1.2.0", True), ("1.2.0", "1.2.9", True), ("1.2.0", "1.3.0", False), ("2.2.0", "1.2.0", False)],
)
def test_code_runs_in_an_image_of_the_same_major_and_minor(code: str, image: str, may: bool) -> None:
    assert Version.parse(code).runs_in(Version.parse(image)) is may
