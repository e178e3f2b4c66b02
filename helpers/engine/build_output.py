"""Why a build failed, from what the builder printed: the words of the program that failed, not a line of the recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence

# How the scripts in engine/recipe begin their last line, which says why they failed.
_OUR_ERROR = "helpers: error: "
# `--progress plain`: `#9 1.234 text` is printed by step 9, and `#9 ERROR: ...` is its end. Each line of a program has
# number and seconds.
_FAILED = re.compile(r"(?m)^#(\d+) ERROR: (.+)$")
_OWN_ERROR = re.compile(r"(?im)^error: (.+)$")
# The command of a step is a text of the Dockerfile.
_COMMAND = re.compile(r'process ".*" did')
_OF_A_STEP = re.compile(r"(?m)^#\d+ .*\n?")
_EXIT_CODE = re.compile(r"did not complete successfully: (exit code: \d+)")
# uv, pip and most programs; apt and dpkg; uv and pip above a chain of causes.
_HEAD = re.compile(r"\s*(?:(?i:error|fatal): |E: |\N{MULTIPLICATION SIGN} )(.+)")
# pip's words above the chain.
_EMPTY_HEAD = "subprocess-exited-with-error"
# The begin of a line that continues an error.
_CHAIN = re.compile(
    r"\s+(?:cause: |[\N{BOX DRAWINGS LIGHT ARC UP AND RIGHT}\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}]\S+ )?"
)
_EXCEPTION = re.compile(r"\s*((?:\w+\.)*\w*(?:Error|Exception): .+)")
_MOST = 300


def cause(output: str) -> str:
    """Return in one line why a build failed.

    Arguments:
        output: the end of what the builder printed.
    """
    failed = _FAILED.findall(output)
    if not failed:
        return last_line(output)
    number, end = failed[-1]
    printed = [found[1] for found in re.finditer(rf"(?m)^#{number} \d+\.\d+ (.*)$", output)]
    return own_error(printed) or (error(printed) or _ended(printed, end))[:_MOST]


def of_builder(output: str) -> str:
    """Return the error of the builder itself, without the words of programs in the build; empty if it has none.

    Arguments:
        output: the end of what the builder printed.
    """
    own = _OF_A_STEP.sub("", output)
    errors = _OWN_ERROR.findall(own)
    return _COMMAND.sub("process did", errors[-1].strip()) if errors else last_line(own)


def own_error(printed: Sequence[str]) -> str:
    """Return the error in the last line of a program, if the program is ours; otherwise empty."""
    last = next((line for line in reversed(printed) if line.strip()), "")
    return last.removeprefix(_OUR_ERROR).strip() if last.startswith(_OUR_ERROR) else ""


def error(printed: Sequence[str]) -> str:
    """Return the last error among the lines of a program, with its reason and the last exception; empty if none."""
    heads = [(at, found[1]) for at, line in enumerate(printed) if (found := _HEAD.fullmatch(line))]
    heads = [(at, head.strip().rstrip(":.")) for at, head in heads if _EMPTY_HEAD not in head]
    exceptions = [found[1].strip() for line in printed if (found := _EXCEPTION.fullmatch(line))]
    if not heads:
        return exceptions[-1] if exceptions else ""
    at, head = heads[-1]
    reason = next(iter(printed[at + 1 : at + 2]), "")
    begin = _CHAIN.match(reason)
    parts = [head, reason[begin.end() :].strip() if begin else "", *exceptions[-1:]]
    return ": ".join(dict.fromkeys(filter(None, parts)))


def _ended(printed: Sequence[str], end: str) -> str:
    """Return the last line that a program printed and its exit code, or why the step could not even begin."""
    code = _EXIT_CODE.search(end)
    lines = [line.strip() for line in printed if line.strip()]
    return f"{lines[-1]} ({code[1]})" if code and lines else end


def last_line(output: str) -> str:
    """Return the last line that speaks of an error, otherwise the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1][:_MOST]
