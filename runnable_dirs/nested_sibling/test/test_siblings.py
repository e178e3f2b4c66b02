"""Containers that this machine's engine runs beside the one that these tests are in."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def run(*arguments: str) -> str:
    """Return what a container of this very image prints; it carries our labels, so that it never outlives the run."""
    labels = [part for line in os.environ["HELPERS_LABELS"].splitlines() for part in ("--label", line)]
    command = ["docker", "run", "--rm", "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}", *labels]
    done = subprocess.run([*command, *arguments], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def image() -> str:
    return os.environ["HELPERS_IMAGE"]


def test_a_sibling_is_another_container_on_the_same_machine(image: str) -> None:
    assert run("--hostname", "sibling", image, "hostname") == "sibling"
    assert (
        run(image, "cat", "/proc/sys/kernel/random/boot_id")
        == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    )


def test_a_path_of_the_checkout_means_the_same_to_both(image: str) -> None:
    file = HERE / "shared.txt"
    assert (
        run("--mount", f"type=bind,src={HERE},dst={HERE},readonly", image, "cat", str(file)) == file.read_text().strip()
    )


def test_a_sibling_knows_whose_it_is(image: str) -> None:
    names = run("--detach", image, "sleep", "600")
    try:
        labels = subprocess.check_output(
            ["docker", "inspect", "--format", "{{json .Config.Labels}}", names], encoding="utf-8"
        )
        assert '"helpers.dir":"runnable_dirs/nested_sibling"' in labels
    finally:
        subprocess.run(["docker", "rm", "--force", names], check=True, capture_output=True)
