"""The blocks of the documentation: which do not run, which need an engine, how each is prepared and ends."""

from __future__ import annotations

from helpers.test import doc_blocks
from helpers.test.doc_blocks import PAGES

_TERMINAL = "opens a shell at a terminal: test_live_shell.py does"
_PUBLISHES = "publishes a base, for minutes: test_live_publishing.py, test_live_bases.py"
_PROJECT = "needs a project with a build backend: test_live_projects.py"
_LOGIN = "needs an index with a login: test_live_private_index.py"
_NEXT_VERSION = """
    NAME=$(sed -n 's/^# \\(.*\\)-1.1.0$/\\1/p' changelog.txt)
    { printf "# $NAME-1.2.0\\n- 2026-11-21\\n- next\\n\\n"; cat changelog.txt; } > ~/changelog.txt
    mv ~/changelog.txt changelog.txt; git commit --quiet --all --message next"""

# Blocks of which no command runs, by page and first line, with the reason.
BLOCKS_NOT_RUN = {
    ("adopt.md", "invoke repo_roll_forward --only helpers --dry-run  # from which commit to which"): (
        "needs helpers as a submodule with a newer version: test_upgrade.py"
    ),
    ("bases.md", "$ invoke docker_bases --due 6"): _PUBLISHES,
    ("bases.md", "invoke docker_lock --upgrade-system --dir runnable_dirs/base"): _PUBLISHES,
    ("bases.md", "$ invoke dir_create outlook --base image:127.0.0.1:5000/team/base:latest --python 3.11"): (
        "needs the base of another team: test_live_extending.py"
    ),
    (
        "dependencies.md",
        "invoke docker_bases --update --dir .  # writes the digest of the image to devops/base.lock",
    ): ("pulls from a registry on the internet: test_live_bases.py has one"),
    ("dependencies.md", "invoke docker_lock --upgrade-system        # prints old and new versions"): (
        "asks the archives of two architectures, for a minute: test_live_system_lock.py"
    ),
    ("adopt.md", "invoke dir_create DIR --from DIR --dry-run       # the decisions, each with its source"): (
        "needs a directory of an older scheme: test_migration.py"
    ),
    ("projects.md", "# the version of the distribution, and a console script"): _PROJECT,
    ("projects.md", "# builds the wheel, installs it with the locked main dependencies, and imports it"): _PROJECT,
    ("machines.md", "export https_proxy=http://proxy.example:3128 no_proxy=localhost"): "needs the proxy of a company",
    ("private-sources.md", "export UV_INDEX_CORP_USERNAME=ann UV_INDEX_CORP_PASSWORD=..."): _LOGIN,
    ("private-sources.md", "invoke docker_lock"): _LOGIN,
    ("private-sources.md", "export PIP_INDEX_URL=https://packages.example/simple"): _LOGIN,
    ("private-sources.md", "ssh-add"): "needs a repository by ssh: test_live_private_git.py",
    ("releases.md", "docker buildx create --name farm --driver docker-container --platform linux/amd64"): (
        "needs a second machine with another processor"
    ),
    ("releases.md", "docker login registry.example:5000"): "needs a login: test_registry_login.py",
    ("repos.md", "git clone URL && cd NAME"): "test_repo_partial_access.py runs this block, with a closed submodule",
    ("tests.md", "./main_pytest.py --dir runnable_dirs/forecast -- --pdb test/test_it.py::test_it"): (
        "needs a terminal: test_live_debugging.py"
    ),
    ("tests.md", "./main_pytest.py --watch                               # goes on until Ctrl-C"): (
        "runs until Ctrl-C: test_live_watch.py"
    ),
}
# Commands that do not run, in blocks whose other commands run.
NOT_RUN = {
    ("bases.md", "invoke docker_bases --publish --dir runnable_dirs/base --platform linux/amd64,linux/arm64"): (
        "emulates another processor for minutes: test_live_publishing.py"
    ),
    ("bases.md", "invoke docker_bases --update --dir DIR"): _PUBLISHES,
    ("dependencies.md", "invoke docker_lock --cooldown 7"): "its answer depends on the day: test_lock.py",
    ("machines.md", "helpers/engine/install_engine.sh"): "changes the machine: dev_scripts/run_tests.sh runs it",
    ("machines.md", "invoke docker_prune"): "removes images of the user: test_live_shell.py",
    ("machines.md", "invoke docker_prune --unused"): "removes images of the user: test_live_shell.py",
    ("releases.md", "docker-registry serve ~/registry/config.yml"): "runs until Ctrl-C: registry_fixtures.py runs it",
    ("shells-and-editors.md", "invoke docker_bash --dir <Tab>"): "Tab is a key: test_completion.py",
    ("shells-and-editors.md", "invoke docker_bash"): _TERMINAL,
    ("shells-and-editors.md", "invoke docker_bash --publish 8000"): _TERMINAL,
    ("shells-and-editors.md", "invoke docker_bash --stage dev"): _TERMINAL,
    ("shells-and-editors.md", "invoke docker_jupyter --port 8888"): "needs jupyterlab, and runs until Ctrl-C",
}
# Sections whose commands need a live engine, the package index, or both.
ENGINE = {
    "adopt.md": {
        "Use helpers in another repo",
        "Adopt an existing project",
        "Checks before a commit",
        "Put helpers at another path",
    },
    "bases.md": {
        "Pin a base, and move it on",
        "Publish a base",
    },
    "ci.md": {"Use it in CI", "Split a run among several machines", "See a run as a page"},
    "dependencies.md": {"Lock, check and move dependencies"},
    "limits.md": {"Decide what directories may weaken"},
    "machines.md": {"Get an engine", "Run tests without an engine", "Clean up"},
    "releases.md": {"Cut a release", "What a prod image holds", "See what is in an image", "Roll back"},
    "repos.md": {"Work over several repos"},
    "shells-and-editors.md": {
        "Find a task, and complete it with Tab",
        "A shell, a command, a notebook",
        "Tests inside a shell",
        "Work in the released image",
    },
    "tests.md": {
        "Choose the directories of a run",
        "Slow tests",
        "Give pytest arguments",
        "Test only what changed",
        "See which lines the tests reach",
        "Find tests that never run",
    },
    "when-a-run-fails.md": {"Read the output"},
}
# Exit codes other than 0.
CODES = {
    ("docs/tutorial.md", 'invoke docker_cmd -- python -c "import humanize"'): 1,
    ("adopt.md", "invoke sync_status --check"): 1,
    ("limits.md", "./main_pytest.py --list --policy strict"): 4,
}
# Shell lines that run before a block. Settings and code of a section are in the files $BLOCKS/NUMBER.
BEFORE = {
    ("ci.md", "mkdir -p ~/results"): """
        mkdir ~/results; for part in 1 3 4; do
        ./main_pytest.py --shard $part/4 --json ~/results/$part.json --junit ~/results/$part.xml --allow-empty; done""",
    ("docs/tutorial.md", 'dependencies = ["humanize>=4,<5"]'): (
        'sed -i "s/^dependencies = .*/$(cat $BLOCKS/5)/" pyproject.toml'
    ),
    ("docs/tutorial.md", "# greetings-0.2.0"): "cp $BLOCKS/8 changelog.txt",
    ("docs/tutorial.md", "def sentence(text: str) -> str:"): """
        sed -i 's/^from collections.*/&\\n\\nimport humanize/' greetings/words.py
        { echo; echo; cat $BLOCKS/9; } >> greetings/words.py""",
    ("docs/tutorial.md", "def test_a_small_number_is_spelled_out() -> None:"): (
        "{ echo; echo; cat $BLOCKS/10; } >> test/test_greetings.py"
    ),
    ("docs/tutorial.md", "from greetings.words import most_common, sentence"): (
        'sed -i "s/^from greetings.*/$(cat $BLOCKS/12)/" test/test_greetings.py'
    ),
    # All directories are tested by `.ci/run`; here some are enough.
    ("docs/tutorial.md", "$ cd ../.."): (
        "git rm -rq $(ls -d ../{diagrams,forecast,intake,leaderboard,nested*,reports,services*})"
    ),
    ("adopt.md", "invoke sync_status            # each common file: same, or whose side moved"): (
        "cp $BLOCKS/1 pyproject.toml"
    ),
    ("adopt.md", "$EDITOR tasks.py.merged  # resolve what is between <<<<<<< and >>>>>>>"): (
        "cp tasks.py tasks.py.merged"
    ),
    ("adopt.md", "invoke sync_update && git add .pre-commit-config.yaml dev_scripts/sync.lock"): (
        "cp $BLOCKS/1 pyproject.toml"
    ),
    ("adopt.md", "git init forecasts && cd forecasts"): "cd $(mktemp -d)",
    ("adopt.md", "git submodule add -b helpers URL tools/helpers"): "cd $(mktemp -d); git init --quiet",
    ("adopt.md", "mkdir tools && git mv helpers tools/helpers"): """
        cd $(mktemp -d); git init --quiet; git submodule --quiet add -b helpers URL helpers
        python3 helpers/thin_env/bootstrap.py init; git add --all; git commit --quiet --message helpers""",
    ("adopt.md", "invoke dir_create NAME --from ../unpacked-project"): (
        "cp -r runnable_dirs/forecast ../unpacked-project; rm -r ../unpacked-project/devops"
    ),
    ("adopt.md", "git submodule add -b helpers URL helpers"): """
        cd $(mktemp -d); git init --quiet; mkdir tests; echo 'def test_it(): pass' > tests/test_it.py
        printf '[project]\\nname = "adopted"\\nversion = "1.0"\\nrequires-python = ">=3.11"\\n' > pyproject.toml""",
    ("tests.md", "./main_pytest.py             # runs directories without a PASS of the same inputs"): """
        git switch --quiet --force-create work; echo '# new' >> infra/test/test_it.py
        git commit --quiet --all --message new""",
    (
        "dependencies.md",
        "invoke docker_lock               # after an edit of pyproject.toml; moves only what must move",
    ): """
        cd ~/repo/runnable_dirs/forecast; sed -i 's/^dependencies = .*/dependencies = ["attrs"]/' pyproject.toml""",
    ("dependencies.md", "git checkout --ours poetry.lock && invoke docker_lock     # works during the merge"): """
        git commit --quiet --all --message ours; git switch --quiet --force-create theirs HEAD~1
        sed -i 's/^content-hash.*/content-hash = "0"/' poetry.lock; git commit --quiet --all --message theirs
        git switch --quiet main; ! git merge theirs""",
    ("limits.md", "$ ./main_pytest.py --list --policy strict"): """
        printf 'network = "bridge"\\n' >> runnable_dirs/base/pyproject.toml""",
    ("machines.md", "./main_pytest.py                  # falls back by itself, and says so in one line"): """
        export DOCKER_HOST=unix:///no/engine""",
    ("machines.md", "invoke docker_ps              # our containers: whose, and whether their owner lives"): """
        mkdir -p ~/.cache/helpers""",
    ("releases.md", "$ invoke docker_release --stage prod"): "cd ~/repo/runnable_dirs/forecast",
    ("releases.md", "$ invoke docker_release --dry-run"): _NEXT_VERSION,
    (
        "releases.md",
        'docker run --rm --read-only --volume "$PWD/test:/data:ro" 127.0.0.1:5000/team/forecast:prod-1.1.0 '
        "/data/daily_sales.csv",
    ): "cd ~/repo/runnable_dirs/forecast",
    ("releases.md", "# CycloneDX 1.6: Python packages, OS packages, the code"): (
        "cd ~/repo/runnable_dirs/forecast; invoke docker_build --stage prod"
    ),
    ("releases.md", "$ invoke docker_rollback"): (
        f"cd ~/repo/runnable_dirs/forecast; {_NEXT_VERSION}; invoke docker_release --stage prod"
    ),
    ("shells-and-editors.md", "invoke run_fast_tests -- -k smoothing"): "cd ~/repo/runnable_dirs/forecast",
    ("shells-and-editors.md", "invoke docker_pull              # the newest dev-X.Y.* that fits the code here"): (
        "cd ~/repo/runnable_dirs/forecast"
    ),
    ("shells-and-editors.md", "invoke docker_bash"): "cd ~/repo/runnable_dirs/forecast",
    ("tests.md", "invoke docker_lock"): """
        cd ~/repo/runnable_dirs/forecast; sed -i "s/^test = .*/$(tail -n 1 $BLOCKS/1)/" pyproject.toml""",
    ("tests.md", "$ ./main_pytest.py"): """
        mkdir runnable_dirs/base/pkg; touch runnable_dirs/base/pkg/test_a.py infra/test_b.py; git add --all""",
}


def short(page: str) -> str:
    """Return the name by which the tables name a page."""
    return page.removeprefix("docs/how-to/")


def sections(*, live: bool) -> list[tuple[str, str]]:
    """Return page and title of each section with commands that need an engine, or that need none."""
    return [
        (page, title)
        for page in PAGES
        if short(page) != "docs/tutorial.md"
        for title, blocks in doc_blocks.sections(page).items()
        if any(block.steps() for block in blocks if (short(page), block.first) not in BLOCKS_NOT_RUN)
        and live == (title in ENGINE.get(short(page), set()))
    ]
