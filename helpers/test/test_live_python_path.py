"""Code of a sub-repo that is no runnable dir: importable in tests, in commands and in images of prod."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.test.conftest import docker, scratch_repo
from helpers.test.unit_fixtures import git, make_repo

pytestmark = pytest.mark.engine

PRINTS = "import prices, shop\n\nprint(prices.of('tea') * shop.DOZEN)\n"


def test_code_of_a_submodule_is_importable_in_tests_commands_and_prod(tmp_path: Path) -> None:
    lib = make_repo(tmp_path / "lib")
    (lib / "src" / "prices").mkdir(parents=True)
    (lib / "src" / "prices" / "__init__.py").write_text("def of(name):\n    return len(name)\n")
    git(lib, "add", "--all")
    git(lib, "commit", "--quiet", "--message", "prices")
    with scratch_repo(tmp_path / "r") as repo:
        repo.git("submodule", "--quiet", "add", str(lib), "lib")
        test = "import prices\n\ndef test_it():\n    assert prices.of('tea') == 3\n"
        path = repo.add("shop", test, image="shop", settings='python_path = ["../lib/src"]\n')
        (path / "shop").mkdir()
        (path / "shop" / "__init__.py").write_text("DOZEN = 12\n")
        (path / "shop" / "__main__.py").write_text(PRINTS)
        repo.git("add", "--all")
        repo.git("commit", "--quiet", "--message", "shop")

        assert (ran := repo.run("--engine", "docker", "--cached")).code == 0, ran.stderr + ran.stdout
        assert "cached" in repo.run("--engine", "docker", "--cached").stdout
        done = repo.invoke("docker_cmd", "--", "python", "-m", "shop", cwd=path)
        assert (done.returncode, done.stdout) == (0, "36\n"), done.stderr
        assert repo.run("--engine", "venv").code == 0

        # Another price is another verdict, and selects the directory that imports it.
        (repo.root / "lib" / "src" / "prices" / "__init__.py").write_text("def of(name):\n    return 4\n")
        assert "lib/src/prices/__init__.py" in repo.run("--list", "--affected", "HEAD").stdout
        assert repo.run("--engine", "docker", "--cached").code == 1
        repo.git("checkout", "--quiet", "--", ".", cwd=repo.root / "lib")

        done = repo.invoke("docker_build", "--stage", "prod", cwd=path)
        assert done.returncode == 0, done.stderr
        image = next(word for word in done.stdout.split() if f"{repo.prefix}-shop" in word)
        assert docker("run", "--rm", "--network", "none", image) == "36\n"
