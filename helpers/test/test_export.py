from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from helpers.driver import export, junit
from helpers.driver.failures import Failure
from helpers.driver.verdict import Status, Verdict
from helpers.errors import InfrastructureError, UsageError

VERDICTS = [
    Verdict("a", Status.PASS, 0, "", {"passed": 2}, 1.23456, "sha256:1", "said", (), "/log"),
    Verdict("b", Status.CRASH, 8, 'killed <&> "x"', seconds=2),
    Verdict("c", Status.SKIP, 0, "needs gcc"),
    Verdict(
        "d",
        Status.FAIL,
        1,
        "t",
        {"failed": 1},
        failures=("t",),
        details=(Failure("t", "d/test/test_it.py", 3, "assert 0", "long", (("said", "much"),)),),
        flaky=(Failure("u", message="first"), Failure("u", message="second")),
        slowest=(("t", 0.98765),),
    ),
]


def test_the_json_of_a_run_says_of_each_directory_what_happened() -> None:
    data = json.loads(json.dumps(export.result_data(VERDICTS, exit_code=8, interrupted=True, engine="venv")))
    assert {key: data[key] for key in ("exit_code", "interrupted", "engine")} == {
        "exit_code": 8,
        "interrupted": True,
        "engine": "venv",
    }
    assert data["directories"][0] == {
        "directory": "a",
        "verdict": "PASS",
        "exit_code": 0,
        "passed": 2,
        "failed": 0,
        "skipped": 0,
        "counts": VERDICTS[0].counts,
        "seconds": 1.235,
        "image": "sha256:1",
        "why": "",
        "hints": [],
        "failures": [],
        "failed_tests": [],
        "flaky": [],
        "slowest": [],
        "log": "/log",
        "cached": False,
        "again": [],
    }
    assert [(item["verdict"], item["failures"]) for item in data["directories"][1:]] == [
        ("CRASH", []),
        ("SKIP", []),
        ("FAIL", ["t"]),
    ]
    last = data["directories"][-1]
    assert last["failed_tests"] == [{"test": "t", "file": "d/test/test_it.py", "line": 3, "message": "assert 0"}]
    assert (last["flaky"], last["slowest"]) == (["u"], [{"test": "t", "seconds": 0.988}])


def test_json_goes_to_a_file_or_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export.write_json(str(tmp_path / "a.json"), {"a": 1})
    export.write_json("-", {"a": 1})
    assert (tmp_path / "a.json").read_text() == capsys.readouterr().out == '{\n  "a": 1\n}\n'


def test_a_file_that_can_not_be_written_is_bad_usage(tmp_path: Path) -> None:
    target = str(tmp_path / "no" / "such" / "file")
    with pytest.raises(UsageError, match="cannot write: No such file"):
        export.write_json(target, {})
    with pytest.raises(UsageError, match="cannot write: No such file"):
        junit.write(target, [], {})


def test_file_on_a_full_disk_is_infrastructure_and_device_stays(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot write: No space left"):
        export.write_json("/dev/full", {})
    with pytest.raises(InfrastructureError, match="cannot write: No space left"):
        junit.write("/dev/full", [], {})
    assert Path("/dev/full").is_char_device()
    (tmp_path / "link").symlink_to(tmp_path / "a.json")
    export.write_json(str(tmp_path / "link"), {})
    assert (tmp_path / "a.json").is_file()
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "link"]


def test_the_fix_for_a_missing_directory_makes_it(tmp_path: Path) -> None:
    target = str(tmp_path / "a b" / "c" / "r.json")
    for write in (export.check_writable, lambda path: export.write_json(path, {})):
        with pytest.raises(UsageError) as caught:
            write(target)
        subprocess.run(["sh", "-c", str(caught.value.fix)], check=True)
        export.check_writable(target)
        export.write_json(target, {})
        shutil.rmtree(tmp_path / "a b")


def test_the_fix_for_a_place_that_holds_no_file_names_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (str(tmp_path), str(tmp_path / "file" / "r.json"), str(tmp_path / "file" / "more" / "r.json")):
        for write in (export.check_writable, lambda path: export.write_json(path, {})):
            with pytest.raises(UsageError) as caught:
                write(target)
            assert f"writable, as in {tempfile.gettempdir()}/" in str(caught.value.fix)
