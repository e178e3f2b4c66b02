from __future__ import annotations

import pytest

from helpers.errors import ConfigError
from helpers.model.graph import Step, order


def test_every_step_comes_after_what_it_needs() -> None:
    steps = [Step("test", ("top", "low")), Step("top", ("mid",)), Step("mid", ("low",)), Step("low", ())]
    assert order(steps) == ["low", "mid", "top", "test"]


def test_a_circle_is_named_by_its_members() -> None:
    with pytest.raises(ConfigError) as caught:
        order([Step("a", ("b",)), Step("b", ("c",)), Step("c", ("a",)), Step("d", ())])
    circle = str(caught.value).split("circle: ")[1].splitlines()[0]
    # Each one, and after it what it needs.
    assert circle in {"a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"}
