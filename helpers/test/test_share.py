from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.driver import share
from helpers.engine import memory
from helpers.model.container_options import ContainerOptions, in_bytes
from helpers.test.test_again import SPEC

GB = 1 << 30


def machine(tmp_path: Path, groups: str) -> tuple[Path, Path]:
    """Return a /proc that says that 8 GB are available, and an empty tree of control groups."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 999999999 kB\nMemAvailable:    8388608 kB\n")
    (proc / "self" / "cgroup").write_text(groups)
    return proc, cgroups


def test_a_size_is_bytes() -> None:
    assert [in_bytes(size) for size in ("1k", "512m", "2g", "2t")] == [1024, GB // 2, 2 * GB, 0]


def test_the_machine_has_what_the_kernel_says_is_available(tmp_path: Path) -> None:
    assert memory.available(*machine(tmp_path, "0::/\n")) == 8 * GB
    assert memory.available() > 0
    with pytest.raises(OSError):
        memory.available(tmp_path / "none")


@pytest.mark.parametrize(
    ("groups", "folder", "names", "limit", "left"),
    [
        ("0::/a/b\n", "a", ("memory.max", "memory.current", "inactive_file"), str(4 * GB), 2 * GB),
        ("0::/a/b\n", "a/b", ("memory.max", "memory.current", "inactive_file"), str(4 * GB), 2 * GB),
        ("0::/a/b\n", "a", ("memory.max", "memory.current", "inactive_file"), "max", 8 * GB),
        ("0::/a\n", "a/b", ("memory.max", "memory.current", "inactive_file"), str(4 * GB), 8 * GB),
        (
            "9:cpu:/a\n4:memory:/a\n0::/\n",
            "memory/a",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            str(4 * GB),
            2 * GB,
        ),
    ],
)
def test_a_control_group_around_us_leaves_less(
    tmp_path: Path, groups: str, folder: str, names: tuple[str, str, str], limit: str, left: int
) -> None:
    texts = {names[0]: limit, names[1]: str(3 * GB), "memory.stat": f"anon 1\n{names[2]} {GB}\n"}
    proc, cgroups = machine(tmp_path, groups)
    for name, text in texts.items():
        file = cgroups / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert memory.available(proc, cgroups) == left


@pytest.mark.parametrize(("jobs", "dirs", "workers"), [(1, 5, 8), (2, 5, 4), (4, 1, 8), (3, 3, 2), (20, 20, 1)])
def test_each_of_the_directories_that_run_at_once_gets_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, jobs: int, dirs: int, workers: int
) -> None:
    monkeypatch.setattr(share, "cores", lambda: 8)
    env = share.with_workers(SPEC, jobs, dirs).env
    assert env == {**SPEC.env, "PYTEST_XDIST_AUTO_NUM_WORKERS": str(workers)}


@pytest.mark.parametrize(("cpus", "workers"), [(0.5, 1), (2, 2), (2.5, 3), (64, 8)])
def test_tests_have_no_more_workers_than_cores_that_they_may_use(
    monkeypatch: pytest.MonkeyPatch, cpus: float, workers: int
) -> None:
    monkeypatch.setattr(share, "cores", lambda: 8)
    spec = replace(SPEC, options=ContainerOptions(cpus=cpus))
    assert share.with_workers(spec, 1, 1).env["PYTEST_XDIST_AUTO_NUM_WORKERS"] == str(workers)


def test_a_number_of_workers_that_is_set_or_taken_from_the_host_stays() -> None:
    spec = replace(SPEC, inherit=("PYTEST_XDIST_AUTO_NUM_WORKERS",))
    assert share.with_workers(spec, 1, 1) == spec
    spec = replace(SPEC, values={"PYTEST_XDIST_AUTO_NUM_WORKERS": "3"})
    assert share.with_workers(spec, 1, 1) == spec
