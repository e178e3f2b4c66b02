"""The completion of bash and zsh, compared with the parsers and pressed in a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.parser.context import ParserContext
from invoke.program import Program

from helpers.driver import options
from helpers.tasks import completion, namespace
from helpers.tasks.old_spellings import OldArgument
from helpers.test.conftest import thin_env
from helpers.test.unit_fixtures import add_dir, make_repo

ROOT = Path(__file__).resolve().parents[2]
CONTEXTS: dict[str, ParserContext] = {str(context.name): context for context in namespace.to_contexts()}
OLD = {
    name: {flag for flag in context.flag_names() if isinstance(context.flags.get(flag), OldArgument)}
    for name, context in CONTEXTS.items()
}
CORE = Program().initial_context
DRIVER = {name: action for action in options.build_parser()._actions for name in action.option_strings}


def answer(*given: str) -> list[str]:
    return completion.answer(given, CORE, CONTEXTS, namespace)


def test_options_of_main_pytest_are_those_of_its_parser() -> None:
    kind, *found = answer("main_pytest.py", "-")
    assert kind == "words" and {*found} == {*DRIVER, "--"}
    assert {*answer("./main_pytest.py", "")[1:]} == {name for name in [*DRIVER, "--"] if name.startswith("--")}


@pytest.mark.parametrize("name", sorted(DRIVER))
def test_value_of_an_option_of_main_pytest_is_completed_as_its_parser_reads_it(name: str) -> None:
    action = DRIVER[name]
    kind, *found = answer("main_pytest.py", name, "")
    if action.choices:
        assert (kind, found) == ("words", list(action.choices))
    elif action.metavar in ("DIR", "FILE"):
        assert kind == {"DIR": "dirs", "FILE": "files"}[str(action.metavar)]
    elif action.nargs == 0:
        assert "--tier" in found
    else:
        assert (kind, found) == ("words", [])


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_options_of_a_task_are_those_of_its_parser(name: str) -> None:
    kind, *found = answer("invoke", name, "-")
    assert kind == "words" and {*found} - {"--"} == set(CONTEXTS[name].flag_names()) - OLD[name]
    assert (
        set(answer("inv", name, *["x"] * len(CONTEXTS[name].positional_args), ""))
        > {flag for flag in CONTEXTS[name].flags if flag.startswith("--")} - OLD[name]
    )


def test_tasks_and_options_of_invoke_itself_are_completed() -> None:
    assert {*answer("invoke", "")[1:]} == {*namespace.task_names}
    assert answer("invoke", "dir_cre") == ["words", "dir_create"]
    assert {*answer("invoke", "--")[1:]} - {"--"} == {flag for flag in CORE.flags if flag.startswith("--")}
    assert answer("invoke", "--help", "docker_b") == ["words", "docker_bases", "docker_build", "docker_bash"]
    assert answer("invoke", "doctor", "--json", "docker_cm") == ["words", "docker_cmd"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("invoke", "docker_build", "--stage", ""), ["words", "local", "prod"]),
        (("invoke", "docker_pull", "--stage", "d"), ["words", "dev"]),
        (("invoke", "run_coverage", "--tier", "s"), ["words", "slow", "superslow"]),
        (("invoke", "run_coverage", "--tier", "=", "s"), ["words", "slow", "superslow"]),
        (("invoke", "run_coverage", "--tier=s"), ["words", "--tier=slow", "--tier=superslow"]),
        (("main_pytest.py", "-v", "--engine", "'v"), ["words", "venv"]),
        (("main_pytest.py", "--json", "x"), ["files"]),
        (("main_pytest.py", "--timeout", ""), ["words"]),
        (("main_pytest.py", "--affected", "--wat"), ["words", "--watch"]),
        (("main_pytest.py", "--", "te"), ["files"]),
        (("invoke", "repo_foreach", "--", ""), ["files"]),
        (("invoke", "dir_create", ""), ["files"]),
        (("invoke", "nothing", "--x"), ["words"]),
    ],
)
def test_value_is_completed(given: tuple[str, ...], expected: list[str]) -> None:
    assert answer(*given) == expected


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_stages_and_engines_that_a_task_offers_are_those_of_the_model(name: str) -> None:
    from helpers.engine.choose import ENGINES
    from helpers.model.stage import Stage

    tiers = list(DRIVER["--tier"].choices or ())
    choices = {key: value.split("|") for key, value in namespace[name].values.items() if "|" in value}
    assert set(choices.pop("stage", [])) <= {stage.value for stage in Stage}
    assert choices.pop("engine", list(ENGINES)) == list(ENGINES)
    assert choices.pop("tier", tiers) == tiers
    assert not choices


def test_notations_of_values_name_arguments_of_their_tasks() -> None:
    for name, context in CONTEXTS.items():
        assert set(namespace[name].values) <= {item.name.strip("_") for item in context.args.values()}, name


def test_runnable_dirs_are_spelled_as_the_word_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_repo(tmp_path / "r")
    for name in ("dirs/a", "dirs/my dir"):
        add_dir(root, name)
    (root / "docs").mkdir()
    monkeypatch.chdir(root)
    both = ["dirs/a", "dirs/my dir"]
    assert answer("invoke", "docker_bash", "--dir", "") == ["dirs", *both]
    assert answer("main_pytest.py", "--dir", "'dirs/my d") == ["dirs", "dirs/my dir"]
    assert answer("main_pytest.py", "--dir", "dirs/my\\ ") == ["dirs", "dirs/my dir"]
    assert answer("main_pytest.py", "--dir", "./d") == ["dirs", *(f"./{name}" for name in both)]
    assert answer("main_pytest.py", "--dir", f"{root}/dirs/a") == ["dirs", f"{root}/dirs/a"]
    assert answer("main_pytest.py", "--dir", "do") == ["dirs"]
    monkeypatch.chdir(root / "docs")
    assert answer("main_pytest.py", "--dir=../d") == ["dirs", *(f"--dir=../{name}" for name in both)]
    monkeypatch.chdir(tmp_path)
    assert answer("main_pytest.py", "--dir", "") == ["dirs"]


SHOW = "\x14"
# Ctrl-T prints the line; Alt-* puts all candidates into it (bash); Ctrl-D lists them (zsh).
ALL = {"bash": "\x1b*", "zsh": "\x04"}
SETUP = {
    "bash": r"""PS1=; bind 'set enable-bracketed-paste off'; bind -x '"\C-t": printf "\n<%s>\n" "$READLINE_LINE"'""",
    "zsh": "PS1=; show() { print -r -- $'\\n'\"<$BUFFER>\" }; zle -N show; bindkey '^T' show; unsetopt list_beep",
}
COMPINIT = "autoload -Uz compinit && compinit -u -D; "


class Shell:
    """An interactive shell in a pseudo-terminal, with our completion.

    Arguments:
        kind: `bash` or `zsh`.
        where: its current directory.
        before: commands before the completion is loaded.
    """

    def __init__(self, kind: str, where: Path, before: str = "") -> None:
        self.kind = kind
        self.main, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
        argv = ["bash", "--norc", "--noprofile", "-i"] if kind == "bash" else ["zsh", "-f", "-i"]
        path = f"{thin_env() / 'path'}:{os.environ['PATH']}"
        environ = {**os.environ, "PATH": path, "TERM": "xterm", "INPUTRC": os.devnull, "HISTFILE": os.devnull}
        self.process = subprocess.Popen(
            argv, stdin=end, stdout=end, stderr=end, cwd=where, env=environ, start_new_session=True
        )
        os.close(end)
        load = f"source {shlex.quote(str(where / 'helpers' / 'thin_env' / f'completion.{kind}'))}"
        self.press(f"{before}{SETUP[kind]}; {load}; stty -echo; echo '<'ready'>'\n")
        # Until the line editor reads keys, the terminal takes Ctrl-D for the end of the input.
        self.press(SHOW)

    def press(self, keys: str) -> tuple[str, str]:
        """Press keys; return the output and the line that Ctrl-T prints between angle brackets."""
        os.write(self.main, keys.encode())
        out, end = "", time.monotonic() + 60
        while not (found := re.search(r"<([^<>\r\n]*)>\r?\n", out)):
            assert time.monotonic() < end, out
            if select.select([self.main], [], [], 1)[0]:
                out += os.read(self.main, 65536).decode(errors="replace")
        return out[: found.start()], found[1]

    def complete(self, line: str, key: str = "\t") -> tuple[str, str]:
        """Type a line and a key; return the output and the line that results."""
        found = self.press(f"{line}{key}{SHOW}")
        # Ctrl-U empties the line.
        os.write(self.main, b"\x15")
        return found

    def close(self) -> None:
        """End the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self.main)


@pytest.fixture(params=["bash", "zsh", "zsh with compinit"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """A shell in a repo with helpers and two runnable dirs."""
    root = make_repo(tmp_path / "r")
    for name in ("main_pytest.py", "tasks.py"):
        shutil.copy2(ROOT / name, root / name)
    (root / "helpers").symlink_to(ROOT / "helpers")
    for name in ("dirs/alpha", "dirs/my dir"):
        add_dir(root, name)
    (root / "docs" / "deep").mkdir(parents=True)
    kind, _, more = str(request.param).partition(" with ")
    made = Shell(kind, root, COMPINIT if more else "")
    yield made
    made.close()


def candidates(shell: Shell, line: str) -> set[str]:
    """Return the options that the shell offers at the end of a line."""
    output, result = shell.complete(line, ALL[shell.kind])
    return set(re.findall(r"--[a-z][a-z-]*", output + result))


@pytest.mark.host
def test_keys_complete_each_option_of_main_pytest(shell: Shell) -> None:
    assert candidates(shell, "main_pytest.py --") == {name for name in DRIVER if name.startswith("--")}


@pytest.mark.host
@pytest.mark.slow
def test_keys_complete_each_option_of_each_task(shell: Shell) -> None:
    for name, context in CONTEXTS.items():
        expected = {flag for flag in context.flags if flag.startswith("--")} - OLD[name]
        assert candidates(shell, f"invoke {name} --") == expected, name


@pytest.mark.host
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("main_pytest.py --wat", "main_pytest.py --watch "),
        ("./main_pytest.py --dura", "./main_pytest.py --durations "),
        ("main_pytest.py --tier sup", "main_pytest.py --tier superslow "),
        ("main_pytest.py --tier=sup", "main_pytest.py --tier=superslow "),
        ("main_pytest.py --dir dirs/al", "main_pytest.py --dir dirs/alpha/"),
        ("main_pytest.py --dir dirs/my", r"main_pytest.py --dir dirs/my\ dir/"),
        (r"main_pytest.py --dir dirs/my\ d", r"main_pytest.py --dir dirs/my\ dir/"),
        ("main_pytest.py --dir docs/d", "main_pytest.py --dir docs/deep/"),
        ("main_pytest.py --json main_", "main_pytest.py --json main_pytest.py "),
        ("invoke dir_cr", "invoke dir_create "),
        ("inv docker_bash --dir ./dirs/a", "inv docker_bash --dir ./dirs/alpha/"),
        ("invoke docker_build --stage p", "invoke docker_build --stage prod "),
        ("invoke --help doct", "invoke --help doctor "),
    ],
)
def test_keys_complete_a_word(shell: Shell, typed: str, completed: str) -> None:
    assert shell.complete(typed)[1] == completed


@pytest.mark.host
@pytest.mark.parametrize("links", [(), ("helpers",)], ids=["without helpers", "with our helpers"])
def test_key_runs_no_code_of_a_checkout_that_was_not_sourced(
    shell: Shell, tmp_path: Path, links: tuple[str, ...]
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("tasks.py", "invoke.py"):
        (foreign / name).write_text("from pathlib import Path\n\nPath(__file__).with_name('ran').touch()\n")
    for link in links:
        (foreign / link).symlink_to(ROOT / link)
    shell.press(f"cd {shlex.quote(str(foreign))}; echo '<'there'>'\n")
    for line in ("invoke dir_cr", "main_pytest.py --wat", "inv --help doct"):
        assert shell.complete(line)[1] == line
    assert not (foreign / "ran").exists()


@pytest.mark.host
@pytest.mark.parametrize("file", ["dev_scripts/setenv.sh", "helpers/templates/super_repo/dev_scripts/setenv.sh"])
def test_fish_prints_that_it_is_not_supported(file: str) -> None:
    done = subprocess.run(["fish", "--no-config", "-c", f"source {file}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "helpers: error: fish is not supported; fix: bash " in done.stderr
