"""Runs pytest with our plugin, which writes what really happened to files that the driver reads.

usage: python run_pytest.py JSON

JSON holds: results, nonce and tier (for the plugin), arguments (pytest's).
"""

import json
import os
import sys
from typing import Any, Dict

import pytest

# The verdict of a run in which pytest came to its end and never began a session, as with --help.
NO_SESSION = {
    "exit": 0,
    "collected": 0,
    "reported": 0,
    "collect_errors": 0,
    "counts": {},
    "failures": [],
    "hints": [],
    "runs_no_test": "--help, --version or the like",
}
# Where the plugin finds its order. It is not imported here: pytest warns of a plugin that was imported before it.
ORDER = "HELPERS_TEST_ORDER"


class Watch:
    """A plugin that knows whether a session began; no option can take it away."""

    began = False

    def pytest_sessionstart(self) -> None:
        self.began = True


def main(order: Dict[str, Any]) -> int:
    """Run pytest as `order` says and return its exit code."""
    os.environ[ORDER] = json.dumps({key: order[key] for key in ("results", "nonce", "tier")})
    # `python -m pytest` puts the current directory first. This directory, where the plugin is, goes last.
    sys.path.append(sys.path[0])
    sys.path[0] = os.getcwd()
    watch = Watch()
    code = int(pytest.main(["-p", "helpers_verdict", *order["arguments"]], plugins=[watch]))
    if code == 0 and not watch.began:
        with open(os.path.join(order["results"], "verdict.json"), "w") as file:
            json.dump({"nonce": order["nonce"], **NO_SESSION}, file)
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
