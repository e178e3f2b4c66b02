from dataclasses import dataclass

import pytest

from shared.settings import Settings, SettingsError, read


@dataclass(frozen=True)
class Own(Settings):
    greeting: str = "hello"


def test_what_is_not_set_keeps_its_default() -> None:
    assert read(Settings, {"HOME": "/root"}) == Settings()


def test_variables_become_what_the_settings_are() -> None:
    given = {"SERVICE_PORT": "9000", "SERVICE_QUIET": "yes", "SERVICE_GREETING": "good day"}
    assert read(Own, given) == Own(port=9000, quiet=True, greeting="good day")


@pytest.mark.parametrize(
    "name, text, why",
    [
        ("SERVICE_PORT", "80a", "is a number"),
        ("SERVICE_PORT", "²", "is a number"),
        ("SERVICE_QUIET", "true", "is yes or no"),
        ("SERVICE_PROT", "80", "is no setting"),
        ("SERVICE_GREETING", "hello", "is no setting"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} {why}"):
        read(Settings, {name: text})
