"""Writes `docs/reference.md` from the code, so that the two can not say different things.

usage: python -m helpers.reference [--write]

Runs in the thin environment. It prints the text; `--write` puts it into `docs/reference.md` beside `helpers/`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from helpers import errors
from helpers.console import report_error
from helpers.driver import export, options
from helpers.driver.verdict import Status, Verdict
from helpers.model import image, policy
from helpers.model.base_lock import prod_tag
from helpers.model.policy import RIGHTS
from helpers.model.settings import defaults_table
from helpers.model.stage import LATEST, DateTag, Stage, candidate_tag, withdrawn_tag
from helpers.model.system_lock import SystemLock
from helpers.model.version import Version
from helpers.registry import once
from helpers.tasks import namespace
from helpers.tasks.adapter import value_of
from helpers.tasks.old_spellings import OldArgument

FILE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
HEAD = """\
# Reference

Generated from the code by `python -m helpers.reference --write`; a test compares the two. Edit the code, not this file.
"""

# Each verdict: the exit code that it stands for, what happened, and what to do.
VERDICTS: dict[Status, tuple[str, str, str]] = {
    Status.PASS: ("0", "every collected test was reported and none failed", "nothing"),
    Status.FAIL: ("1", "a test failed, or could not be set up or imported", "read the output above the table"),
    Status.EMPTY: (
        "5",
        "no test of this tier, all were skipped, or pytest was told to run none",
        "`--tier all`, or `--allow-empty`",
    ),
    Status.CRASH: (
        "8",
        "killed by a signal or for memory, or ended without a verdict",
        "raise `memory`, or read the log",
    ),
    Status.TIMEOUT: ("7", "did not end in time, and was stopped", "raise `timeout`, or `--timeout SECONDS`"),
    Status.BUILD: ("3", "its image could not be built", "read the build's log, which the line names"),
    Status.CONFIG: (
        "2",
        "one of its files is wrong, or asks for what this machine does not have",
        "`invoke dir_check --dir DIR`",
    ),
    Status.REFUSED: (
        "4",
        "no image that its code may run in, or it ran in another one than planned",
        "the command that the line names",
    ),
    Status.INFRA: ("6", "engine, network or disk did not do their part", "`invoke doctor`, then again"),
    Status.BUG: ("70", "a fault in helpers", "again with `HELPERS_DEBUG=1`, and report it"),
    Status.SKIP: (
        "0; 5 when nothing ran",
        "this engine, or this checkout without a submodule, can not give what it needs",
        "what the line names, such as `--engine docker`",
    ),
    Status.STOPPED: (
        "0, 130, 143",
        "not run, or not to its end: stopped by a signal or by `--exitfirst`",
        "run it again",
    ),
}

LABELS: dict[str, str] = {
    image.OURS: "`image` or `run`: it is ours; nothing without it is ever stopped or removed",
    image.LABEL_INPUTS: "hash of all that the image was built from",
    image.LABEL_DIR: "the runnable dir, relative to the root of its repo",
    image.LABEL_ROOT: "the root of the checkout that a container was started in",
    image.LABEL_OWNER: "the process that a container must not outlive",
    image.LABEL_WITHIN: "the container that a service, a sibling, or its network was started for, and goes with",
    image.LABEL_VERSION: "version of the image, from `changelog.txt`",
    image.LABEL_TITLE: "name of the image, or the base as written",
    image.LABEL_BASE_NAME: "the base: name and tag of one that is pulled, or else the setting `base`",
    image.LABEL_BASE_DIGEST: "digest of the image that it is built on",
    image.LABEL_REVISION: "the commit that it is built from; in what is released",
    image.LABEL_CREATED: "when that commit was made; in what is released",
    image.LABEL_SUITE: "suite of the distribution below, where that is an `archive:`",
}


class Variable(NamedTuple):
    """An environment variable that changes what we do.

    Arguments:
        name: its name.
        reader: who reads it: `helpers`, or the program whose answer we take.
        about: what it does.
    """

    name: str
    reader: str
    about: str


_CA = "file with certificates that packages are fetched with; the first of these four that is set counts"
_PROXY = "proxy; handed to builds as a secret"
_LOGIN = "login of the package index of that name; every tool gets it"
_KEYRING = "`subprocess`: the program `keyring` is asked for logins"
VARIABLES = (
    Variable("HELPERS_CACHE", "helpers", "directory of all that can be made again; default: `$XDG_CACHE_HOME/helpers`"),
    Variable("XDG_CACHE_HOME", "helpers", "where that default lies; default: `~/.cache`"),
    Variable("HELPERS_PYTHON", "helpers", "interpreter that `setenv.sh` starts instead of `python3`"),
    Variable("HELPERS_DEBUG", "helpers", "not empty: errors come with a traceback"),
    Variable("HELPERS_IMAGE", "your files", "given to `devops/compose.yaml` and siblings: the directory's own image"),
    Variable("HELPERS_USER", "your files", "given to `devops/compose.yaml`: user and group, as in `1000:100`"),
    Variable("HELPERS_LABELS", "your tests", "given to siblings: the labels of what must end with the run, one a line"),
    Variable("HELPERS_POLICY", "helpers", "what directories may weaken, as `--policy` says it"),
    Variable("HELPERS_VERDICTS", "helpers", "a team's verdicts: a directory, or `HOST[:PORT]/NAME` in a registry"),
    Variable("HELPERS_VERDICTS_WRITE", "helpers", "`1`: verdicts are added there too; for trusted branches only"),
    Variable("HELPERS_ENTERED", "helpers", "internal: set while the thin environment is entered"),
    Variable("HELPERS_HEADSTART", "helpers", "internal: what was started before the environment is entered"),
    Variable("HELPERS_SOURCED", "helpers", "internal: checkouts whose `setenv.sh` was sourced: Tab runs their code"),
    Variable("HELPERS_INSIDE", "helpers", "set in our containers: name and version of the image, by its labels"),
    Variable(
        "HELPERS_PROJECTS", "helpers", "set in our containers: where the checkouts of installed projects are; NAME:PATH"
    ),
    Variable("NO_COLOR", "helpers", "not empty: no colours"),
    Variable("GITHUB_ACTIONS", "helpers", "`true`: groups, annotations and a step summary for GitHub Actions"),
    Variable("GITHUB_STEP_SUMMARY", "helpers", "there: the file that the summary is added to"),
    Variable("TERM", "helpers", "`dumb`: no colours; handed on to `docker_bash`"),
    Variable("PATH", "helpers", "where programs are found; by `venv` handed on to tests"),
    Variable("PYTHONUTF8", "helpers", "set to `1` under a locale of another encoding: file names are in UTF-8"),
    Variable("PYENV_ROOT", "helpers", "where `venv` looks for more Pythons; default: `~/.pyenv`"),
    Variable("GIT_SSH_COMMAND", "helpers", "the ssh that asks remotes, with `-o BatchMode=yes` added"),
    Variable("DOCKER_HOST", "helpers", "another engine than this machine's; read by the docker client too"),
    Variable("DOCKER_CONTEXT", "helpers", "as `DOCKER_HOST`, by the name of a context"),
    *(Variable(name, "docker", "the docker client asks for TLS") for name in ("DOCKER_TLS_VERIFY", "DOCKER_TLS")),
    Variable("DOCKER_CERT_PATH", "helpers", "directory of the certificates of the docker client"),
    Variable("DOCKER_API_VERSION", "docker", "the API that the docker client speaks, instead of the engine's"),
    Variable("DOCKER_CONFIG", "helpers", "directory of the docker client's settings and logins"),
    *(Variable(name, "helpers", _CA) for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")),
    Variable("UV_DEFAULT_INDEX", "helpers", "URL of the package index; wins over pip's settings"),
    Variable("UV_INDEX_URL", "helpers", "the same, by its older name"),
    Variable("UV_INDEX", "helpers", "URLs of further package indexes"),
    Variable("UV_INDEX_STRATEGY", "helpers", "how uv chooses among several; with pip's extra indexes: the best of all"),
    *(Variable(f"UV_INDEX_<NAME>_{part}", "uv", _LOGIN) for part in ("USERNAME", "PASSWORD")),
    *(Variable(f"POETRY_HTTP_BASIC_<NAME>_{part}", "poetry", _LOGIN) for part in ("USERNAME", "PASSWORD")),
    Variable("NETRC", "helpers", "another file than `~/.netrc` with logins by host"),
    Variable("POETRY_CONFIG_DIR", "helpers", "where poetry's `auth.toml` with logins by name is"),
    Variable("XDG_CONFIG_HOME", "helpers", "where the directory `pypoetry` with that file is; default: `~/.config`"),
    *(Variable(f"{tool}_KEYRING_PROVIDER", "helpers", _KEYRING) for tool in ("UV", "PIP")),
    Variable("PIP_INDEX_URL", "pip", "URL of the package index; we ask `pip config list`"),
    Variable("PIP_EXTRA_INDEX_URL", "pip", "URLs of further package indexes"),
    Variable("PIP_PROXY", "pip", "proxy for what no variable below names one for; handed to builds as a secret"),
    Variable("PIP_CONFIG_FILE", "pip", "another file with pip's settings"),
    *(Variable(name, "helpers", _PROXY) for name in ("http_proxy", "https_proxy", "all_proxy")),
    *(Variable(name, "helpers", _PROXY) for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")),
    *(Variable(name, "helpers", "hosts that need no proxy") for name in ("no_proxy", "NO_PROXY")),
)


def text() -> str:
    """Return the whole reference as Markdown."""
    parts = (
        _exit_codes(),
        _verdicts(),
        _settings(),
        _rights(),
        _options(),
        _tasks(),
        _formats(),
        _result(),
        _variables(),
    )
    return "\n".join((HEAD, *parts))


def _exit_codes() -> str:
    rows = [(str(code), meaning) for code, meaning in errors.EXIT_CODES.items()]
    order = " > ".join(map(str, errors.SEVERITY))
    return _section(
        "Exit codes",
        "Of `main_pytest.py` and every task. `docker_bash`, `docker_cmd` and `docker_jupyter` end with the code of what"
        " they ran. `--check` writes nothing, and ends with 1 if something is not as it should be, in every task;"
        " `sync_update` ends with 1 if it left conflicts.",
        _table(("code", "meaning"), rows),
        f"Of several directories the worst decides: {order}.",
    )


def _verdicts() -> str:
    rows = [(f"`{status.value}`", *VERDICTS[status]) for status in Status]
    return _section(
        "Verdicts", "One for each directory of a run.", _table(("verdict", "exit code", "what", "next"), rows)
    )


def _settings() -> str:
    rows = [(f"`{name}`", f"`{default}`", about) for name, default, about in defaults_table()]
    return _section(
        "Settings",
        "In `[tool.helpers]` of a runnable dir's `pyproject.toml`, or, without this table, in `devops/helpers.toml`, "
        "where each setting is a key of the top level. An unknown key or a wrong value is an error.",
        _table(("setting", "default", "what it is for"), rows),
    )


def _rights() -> str:
    rows = [(f"`{name}`", "granted" if name in policy.DEFAULT else "refused", about) for name, about in RIGHTS.items()]
    return _section(
        "Rights of a policy",
        "A policy has items with commas or spaces between them: `strict` (no right), `default` (the rights without a "
        "policy), RIGHT (for every directory), DIR:RIGHT (for one directory) and @FILE (a file outside the checkout "
        "with one item a line; `#` begins a comment). A policy without `default` grants only what it names.",
        _table(("right", "without a policy", "what it gives"), rows),
    )


def _options() -> str:
    rows = [
        (f"`{_with_value(', '.join(action.option_strings), options.value_of(action))}`", action.help or "")
        for action in options.shown()
    ]
    return _section(
        "Options of `main_pytest.py`",
        "`main_pytest.py [OPTION]... [-- PYTEST_ARGUMENT...]`",
        _table(("option", "what"), rows),
    )


def _with_value(option: str, value: str) -> str:
    return f"{option} {value}" if value else option


def _tasks() -> str:
    tasks = namespace.tasks
    blocks = [_task(name, tasks[name]) for name in sorted(tasks)]
    return _section(
        "Tasks",
        "`invoke TASK [OPTION]...`, from anywhere inside a checkout. An argument in capitals may be given without its "
        "option's name. Words for another program stand after `--`. `--all` means every runnable dir of this repo.",
        *blocks,
    )


def _task(name: str, task: Any) -> str:
    arguments = [item for item in task.get_arguments() if not isinstance(item, OldArgument)]
    words = ("--", task.words) if task.words else ()
    usage = " ".join((name, *(item.name.upper() for item in arguments if item.positional), *words))
    rows = [(f"`{_with_value(flag(item), value_of(task, item))}`", item.help) for item in arguments]
    about = (task.__doc__ or "").splitlines()[0]
    return "\n\n".join((f"### `invoke {usage}`", about, *([_table(("option", "what"), rows)] if rows else [])))


def flag(item: Any) -> str:
    """Return an option of a task as invoke spells it: without the underscore that keeps a name from being a keyword."""
    return f"--{item.name.strip('_').replace('_', '-')}"


def _formats() -> str:
    version = Version(1, 2, 0)
    name = image.repository("registry.example:5000", "forecast")
    digest = "sha256:5303d2a0b209979c81417a18909754fd2c7bf5a173befc0d49fd52570c2de9d1"
    dated = str(DateTag(datetime.date(2026, 11, 21), 0))
    claim = once.Claim(Stage.DEV.version_tag(version), 1795251600, digest[7:19], "0a1b2c")
    tags = [
        (f"`{name}:{image.inputs_tag('0123456789abcdef')}`", "found by the hash of its build's inputs; never pushed"),
        (f"`{image.digest_tag(name, digest)}`", "what is built on, or tested before it has a version; never pushed"),
        (
            f"`{name}:{Stage.LOCAL.version_tag(version, 'ana')}`",
            "the image that was built last by this user for that version; stage `local`; `docker_push` pushes it",
        ),
        (f"`{name}:{Stage.DEV.version_tag(version)}`", "this version for the team; written once"),
        (f"`{name}:{Stage.PROD.version_tag(version)}`", "this version for the world; written once"),
        (f"`{name}:dev`, `{name}:prod`", "the version in use; releases and rollbacks move them"),
        (f"`{name}:{candidate_tag(version, digest)}`", "a tested `prod` build, by its digest; written once"),
        (
            f"`{name}:{withdrawn_tag(Stage.PROD)}`",
            "the newest version at the last rollback: no release moves back to it",
        ),
        (f"`{name}:{dated}`", "a published base, `YYYY.MM.DD.P`: day (UTC), and which one of that day; written once"),
        (f"`{name}:{prod_tag(dated)}`", "what images of the stage `prod` on that base stand on; written once"),
        (f"`{name}:{LATEST}`", "the newest published base"),
        (f"`{name}:{claim}`", "a publisher that is about to write that tag: time, content, a random number"),
    ]
    labels = [(f"`{label}`", about) for label, about in LABELS.items()]
    return "\n".join(
        (
            _section("Formats", *_FORMATS),
            _table(("image reference", "what"), tags) + "\n",
            "Labels on images and containers:\n",
            _table(("label", "what"), labels) + "\n",
        )
    )


_FORMATS = (
    "A **runnable dir** has `devops/` (git keeps it by a file such as `.gitkeep`), `changelog.txt`, `pyproject.toml`, "
    "a lock as `poetry.lock` or `uv.lock`, and tests. `devops/Dockerfile` and `devops/compose.yaml` are optional.",
    "`changelog.txt`, newest entry first; versions fall from entry to entry, dates never rise:",
    "```\n# <image name>-<X.Y.Z>\n- YYYY-MM-DD\n- what a user of this image notices\n```",
    "Bases: `archive:SUITE` (a minimal root file system from the distribution's package archive, such as `bookworm`), "
    "`image:NAME:TAG` (pulled), `dir:PATH` (another runnable dir's image, relative to this one).",
    "`devops/base.lock` records which published image that is, by digest; `image:NAME:TAG` must have it. "
    '`invoke docker_bases --update` writes it, one `key = "value"` a line: `base` as in the settings, `name`, '
    "`digest`, `recorded` (a day), and of images of ours `prod` (digest of what images of that stage stand on), "
    "`inputs`, `suite` and `platforms`.",
    "`devops/system-packages.lock` pins what the distribution's packages add to the base; written by "
    "`invoke docker_lock`, a section for each architecture:",
    f"```\n{SystemLock('archive:bookworm', ('graphviz',), {'amd64': ('graphviz=2.42.2-7+deb12u1',)}).text()}```",
    "`[project] requires-python` chooses the Python: the lowest one that it allows is the one that is locked for.",
)


def _result() -> str:
    verdict = Verdict(
        "runnable_dirs/forecast",
        Status.FAIL,
        1,
        why="test/test_methods.py::test_smoothing",
        counts={"passed": 22, "failed": 1},
        seconds=2.2,
        image="sha256:31bb530a2246...",
        failures=("test/test_methods.py::test_smoothing",),
        log="/home/ana/.cache/helpers/runs/20261120-133742-5f343f/2/output.log",
    )
    result = export.result_data([verdict], exit_code=1, interrupted=False, engine="docker")
    data = {**result, "lost_tests": ["runnable_dirs/forecast/pkg/test_old.py"]}
    text = f"```json\n{json.dumps(data, indent=2)}\n```"
    counts = (
        "`counts` has the words of pytest's last line: `passed`, `failed`, `skipped`, `xfailed`, `xpassed`, `error`, "
        "`rerun` and `subtests passed`. `passed` is the sum of `passed`, `xfailed` and `xpassed`; `failed` is the sum "
        "of `failed` and `error`. The JUnit file has a case for each of them except `rerun` and `subtests passed`."
    )
    lost = (
        "`lost_tests` names the tracked test files that never run, relative to the root of the repo. With `--list` "
        "these are only the files that no `tests` reaches; a run adds the files that pytest did not collect."
    )
    plan = (
        "With `--list` it is the plan: `tier`, `directories`, `jobs` (for a CI matrix: each directory on each of its "
        "platforms; with `--shard` also `shard_jobs`, the shards of each platform), `lost_tests` and `steps`. Each "
        "directory has `directory`, `id` (the same as one name without a slash, which no other has) and either "
        "`error` or `skip`, the reason, or what its files say, `builds` (its images, lowest first), `minutes` (what a "
        "job can take that builds all and tests) and `cached` (whether a verdict that is kept on this machine "
        "answers for it, so that nothing would be tested)."
    )
    more = (
        "With `--coverage` a directory has `coverage`: `percent`, `fail_under`, and by file, from the root of the "
        "repo, the lines that ran and those that did not, as in `1-3,7`, then the branches that were taken and those "
        "that were not, where they were measured. With `--shard` there is `shard` (`number`, `of` and `split`), "
        "`junit` (where that file lies, from this one) and `page` (what the page shows); `report_merge` writes "
        "`shards` instead."
    )
    return _section("Result as JSON", "What `--json FILE` writes:", text, counts, lost, more, plan)


def _variables() -> str:
    rows = [(f"`{item.name}`", item.reader, item.about) for item in VARIABLES]
    return _section(
        "Environment variables",
        "A container is given a few fixed variables and those of its settings `env` and `env_file`; `docker_bash` also "
        "`TERM`. Where services stand beside it, also `SERVICE_HOST` and `SERVICE_PORT` of each, the name in capitals.",
        _table(("variable", "read by", "what"), rows),
    )


def _section(title: str, *paragraphs: str) -> str:
    return "\n\n".join((f"## {title}", *paragraphs)) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the reference, or write it to its file, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m helpers.reference", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {FILE.parent.name}/{FILE.name}")
    if not parser.parse_args(argv).write:
        sys.stdout.write(text())
        return 0
    # Where helpers is a submodule the docs of the super-repo are not ours.
    if FILE.exists() and not FILE.read_text(encoding="utf-8").startswith(HEAD):
        return report_error(errors.PolicyError("is not a file of ours, and is left alone", where=FILE))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
