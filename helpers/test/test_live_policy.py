"""Tests see no `.git`, and a policy limits their rights, by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.test.conftest import Scratch

pytestmark = pytest.mark.engine

# Finds a token in the places of git in a container.
LOOKS = """
import os
def test_no_token():
    found = []
    for top in TOPS:
        for parent, folders, files in os.walk(top):
            for file in files:
                path = os.path.join(parent, file)
                with open(path, errors="replace") as opened:
                    found += [path] if "very-" + "secret" in opened.read() else []
    assert found == []
"""
SERVICE = """\
services:
  web:
    image: ${HELPERS_IMAGE}
    user: "1:1"
    command: sh -c "touch /out/mark && exec sleep 60"
    volumes: ["../out:/out"]
    healthcheck: {test: ls /out/mark, interval: 100ms, retries: 100}
"""
PASSES = "def test_it():\n    assert True\n"


def test_a_token_in_git_s_data_is_hidden_and_a_policy_says_what_counts(scratch: Scratch) -> None:
    root = scratch.root
    looks = LOOKS.replace("TOPS", repr([str(root)]))
    scratch.add("looks", looks, image="looks", settings='uses = [".."]\n')
    scratch.add("named", looks, image="named", settings='uses = ["../.git"]\n')
    scratch.add("connected", PASSES, image="connected", settings='network = "bridge"\n')
    scratch.add("told", PASSES, image="told", settings='env = ["TOLD"]\n')
    scratch.add("served", PASSES, image="served")
    (root / "served" / "devops" / "compose.yaml").write_text(SERVICE)
    (root / "served" / "out").mkdir()
    (root / "served" / "out").chmod(0o777)
    token = '[http]\n\textraheader = "AUTHORIZATION: very-secret"\n'
    for config in (root / ".git", root / "looks" / "cloned" / ".git", root / "looks" / "kept" / "git-dir"):
        config.mkdir(parents=True, exist_ok=True)
        with (config / "config").open("a") as file:
            file.write(token)
    (root / "looks" / "kept" / ".git").write_text("gitdir: git-dir\n# very-secret\n")

    by_default = scratch.run("--engine", "docker")
    refused = ("REFUSED", 4)
    names = ("looks", "named", "connected", "told", "served")
    assert [by_default.of(name) for name in names] == [("PASS", 0), refused, ("PASS", 0), ("PASS", 0), refused]
    assert by_default.code == 4 and not (root / "served" / "out" / "mark").exists()
    for line in ('weaker connected: network = "bridge"', "weaker told: env = [TOLD]"):
        assert line in by_default.stderr

    strict = scratch.run("--engine", "docker", "--policy", "strict")
    assert [strict.of(name) for name in names] == [("PASS", 0), *[refused] * 4]
    assert "weaker" not in strict.stderr

    granted = scratch.run("--engine", "docker", HELPERS_POLICY="default,git,served:service-writable")
    assert [granted.of(name)[0] for name in names] == ["PASS", "FAIL", "PASS", "PASS", "PASS"]
    for line in ("weaker named: uses = [../.git]", "weaker served: service web: writes "):
        assert line in granted.stderr
    assert Path(root / "served" / "out" / "mark").exists()
    assert scratch.leftovers() == []
