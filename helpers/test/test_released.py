"""Which released image the code of a directory is run in, and which ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import config
from helpers.errors import PolicyError, UsageError
from helpers.images import released
from helpers.model.image import LABEL_INPUTS, LABEL_TITLE, LABEL_VERSION, goes_by_wrong_name
from helpers.model.runnable import RunnableDir
from helpers.model.stage import RUN_STAGES, Stage, parse_stage
from helpers.model.version import Version
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]


@pytest.fixture
def runnable(tmp_path: Path, cache: Path) -> RunnableDir:
    """The runnable dir `a`, whose code is at 1.10.3."""
    root = make_repo(tmp_path / "r")
    return config.load(root, add_dir(root, "a", image="tool", version="1.10.3"), ())


def test_versions_of_a_stage_are_told_from_all_other_tags_newest_first() -> None:
    tags = ["dev", "dev-1.9.0", "dev-1.10.0", "prod-2.0.0", "latest", "local-ann-3.0.0", "dev-1.2", "inputs-0123"]
    assert released.versions(tags, Stage.DEV) == [Version(1, 10, 0), Version(1, 9, 0)]
    assert released.versions(tags, Stage.PROD) == [Version(2, 0, 0)]


def test_a_refusal_names_both_versions_and_the_commands_that_help(runnable: RunnableDir) -> None:
    with pytest.raises(PolicyError) as caught:
        released.choose(runnable, [Version(1, 11, 0), Version(1, 9, 7)])
    error = caught.value
    assert error.exit_code == 4 and error.where == str(runnable.path / "changelog.txt")
    assert "code at 1.10.3" in error.what and "tool-1.10.*" in error.what and "1.11.0, 1.9.7" in error.what
    assert f"invoke docker_pull --dir {runnable.path}" in str(error.fix)
    assert f"invoke docker_build --dir {runnable.path}" in str(error.fix)


@pytest.mark.parametrize(
    "labels, says",
    [
        ({LABEL_TITLE: "tool", LABEL_VERSION: "1.9.0"}, "tool-1.9.0"),
        ({LABEL_TITLE: "tool", LABEL_VERSION: "1.10.2"}, "tool-1.10.2"),
        ({LABEL_TITLE: "other", LABEL_VERSION: "1.10.1"}, "other-1.10.1"),
        ({LABEL_TITLE: "tool"}, "tool-(no version)"),
        ({}, "(no name)-(no version)"),
    ],
)
def test_an_image_whose_labels_contradict_its_tag_is_refused(
    runnable: RunnableDir, labels: dict[str, str], says: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        released.check_labels(runnable, "tool:dev-1.10.1", Version(1, 10, 1), labels)
    assert f"tool:dev-1.10.1 is by its labels {says}," in caught.value.what and "1.10.3" in caught.value.what
    assert str(caught.value.fix).startswith("docker image rm tool:dev-1.10.1 && invoke docker_pull --dir ")
    with pytest.raises(PolicyError) as of_a_registry:
        released.check_labels(runnable, "tool:dev-1.10.1", Version(1, 10, 1), labels, fix="take another one")
    assert of_a_registry.value.fix == "take another one"


def test_an_image_whose_labels_say_what_its_tag_says_is_taken(runnable: RunnableDir) -> None:
    labels = {LABEL_TITLE: "tool", LABEL_VERSION: "1.10.1"}
    released.check_labels(runnable, "tool:dev-1.10.1", Version(1, 10, 1), labels)


@pytest.mark.parametrize("text", ["prod", "", "Dev", "dev-1.2.0"])
def test_a_stage_in_which_nothing_is_run_is_bad_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is not local or dev") as caught:
        parse_stage(text, RUN_STAGES)
    assert caught.value.fix == "--stage local, or --stage dev"
    assert [parse_stage(stage.value, RUN_STAGES) for stage in RUN_STAGES] == [Stage.LOCAL, Stage.DEV]


@pytest.mark.parametrize(
    "reference, inputs, wrong",
    [
        ("tool:inputs-0123456789abcdef", "0123456789abcdef0123", False),
        ("host:5000/tool:inputs-0123456789abcdef", "0123456789abcdef0123", False),
        ("tool:inputs-0123456789abcdef", "f123456789abcdef0123", True),
        ("tool:inputs-0123456789abcdef", "", True),
        ("tool:local-ann-1.2.0", "0123456789abcdef0123", False),
        ("python:3.12", "", False),
    ],
)
def test_an_image_that_its_label_does_not_find_goes_by_a_wrong_name(reference: str, inputs: str, wrong: bool) -> None:
    assert goes_by_wrong_name(reference, {LABEL_INPUTS: inputs} if inputs else {}) is wrong
