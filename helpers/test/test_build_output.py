"""The reason of a BUILD verdict: the words of the program that failed, from what the builder printed."""

from __future__ import annotations

import pytest

from helpers.engine import build_output

# The end that the builder prints after each failed step.
END = """\
------
 > [2/2] RUN install:
0.9 error: shown again by the builder
------
Dockerfile:3
--------------------
   3 | >>> RUN install
--------------------
ERROR: failed to solve: process "/bin/sh -c install" did not complete successfully: exit code: 1
"""
UV_HASH = """
Resolved 10 packages in 544ms
error: Failed to download `iniconfig==2.3.1`
  cause: Hash mismatch for `iniconfig==2.3.1`

         Expected:
           sha256:0000
"""
UV_RESOLUTION = """
error: No solution found when resolving dependencies
  cause: Because there is no version of attrs==999 and you require attrs==999, we can conclude that
"""
UV_OLD = """
  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of attrs==999 and you require attrs==999
"""
UV_BACKEND = """
error: The build backend returned an error
  cause: Call to `setuptools.build_meta` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 1, in <module>
         ModuleNotFoundError: No module named 'nosuch'
"""
PIP_MISSING = """
ERROR: Could not find a version that satisfies the requirement attrs==999 (from versions: 15.0.0, 15.1.0)
ERROR: No matching distribution found for attrs==999
"""
PIP_BACKEND = """
      ModuleNotFoundError: No module named 'nosuch'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: subprocess-exited-with-error

× Getting requirements to build wheel did not run successfully.
│ exit code: 1
╰─> See above for output.
"""
APT = """
Reading state information...
E: Unable to locate package nosuchpackage
"""
CASES = {
    "uv finds another hash": (
        UV_HASH,
        "Failed to download `iniconfig==2.3.1`: Hash mismatch for `iniconfig==2.3.1`",
    ),
    "uv finds no version": (
        UV_RESOLUTION,
        "No solution found when resolving dependencies: Because there is no version",
    ),
    "an older uv finds no version": (
        UV_OLD,
        "No solution found when resolving dependencies: Because there is no version",
    ),
    "uv runs a backend that fails": (
        UV_BACKEND,
        "The build backend returned an error: Call to `setuptools.build_meta` failed (exit status: 1): "
        "ModuleNotFoundError: No module named 'nosuch'",
    ),
    "pip finds no version": (PIP_MISSING, "No matching distribution found for attrs==999"),
    "pip runs a backend that fails": (
        PIP_BACKEND,
        "Getting requirements to build wheel did not run successfully: ModuleNotFoundError: No module named 'nosuch'",
    ),
    "apt knows no package": (APT, "Unable to locate package nosuchpackage"),
    "Python raises": ("Traceback\n  File\nos.NoSuchError: gone\n", "os.NoSuchError: gone"),
    "a program says nothing of an error": ("hello\n\n", "hello (exit code: 1)"),
    "a program says nothing": ("", 'process "/bin/sh -c install" did not complete successfully: exit code: 1'),
    "our script refuses": (
        "error: 1\nhelpers: error: the lock lacks a; fix: lock it\n",
        "the lock lacks a; fix: lock it",
    ),
}


def build(printed: str, end: str = 'process "/bin/sh -c install" did not complete successfully: exit code: 1') -> str:
    """Return what the builder prints of two steps, of which the second fails."""
    lines = "".join(f"#5 0.{number:03} {line}\n" for number, line in enumerate(printed.splitlines()))
    return (
        f"#4 0.1 error: of a step that went well\n#4 DONE 0.1s\n\n#5 [2/2] RUN install\n{lines}#5 ERROR: {end}\n{END}"
    )


@pytest.mark.parametrize("name", CASES)
def test_the_cause_of_a_failed_build_is_named_when(name: str) -> None:
    printed, wanted = CASES[name]
    found = build_output.cause(build(printed))
    assert found.startswith(wanted)
    assert "\n" not in found and "/bin/sh" not in found.replace(wanted, "") and len(found) <= 300


def test_program_in_a_build_cannot_speak_for_the_builder_or_our_scripts() -> None:
    printed = "#4 ERROR: another cause\nhelpers: error: no; fix: rm -rf .\nerror: the real cause\n"
    assert build_output.cause(build(printed)) == "the real cause"
    assert build_output.of_builder(build("ERROR: the engine is gone")) == (
        "failed to solve: process did not complete successfully: exit code: 1"
    )
    assert build_output.of_builder("#5 0.1 text\nno buildx\n") == "no buildx"


def test_a_step_that_could_not_begin_says_why() -> None:
    assert build_output.cause(build("", '"/nothing.txt": not found')) == '"/nothing.txt": not found'


def test_a_builder_that_failed_before_a_step_has_its_last_error() -> None:
    assert build_output.cause("ERROR: cannot connect\nbye\n") == "ERROR: cannot connect"
    assert build_output.cause("") == "no output"
