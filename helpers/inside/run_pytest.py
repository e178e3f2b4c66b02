"""Runs pytest with our plugin, which writes what really happened to files that the driver reads.

usage: python run_pytest.py JSON

JSON holds: results, nonce and tier (for the plugin), arguments (pytest's).
"""

import json
import os
import sys
from typing import Any, Dict

import pytest

# Where the plugin finds its order. It is not imported here: pytest warns of a plugin that was imported before it.
ORDER = "HELPERS_TEST_ORDER"


def main(order: Dict[str, Any]) -> int:
    """Run pytest as `order` says and return its exit code."""
    os.environ[ORDER] = json.dumps({key: order[key] for key in ("results", "nonce", "tier")})
    # `python -m pytest` puts the current directory first. This directory, where the plugin is, goes last.
    sys.path.append(sys.path[0])
    sys.path[0] = os.getcwd()
    return int(pytest.main(["-p", "helpers_verdict", *order["arguments"]]))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
