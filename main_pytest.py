#!/usr/bin/env python3
import os
import sys

if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(os.write(2, b"main_pytest.py: error: needs Python 3.10 or newer; fix: python3.10 main_pytest.py\n") and 2)
sys.path[:0] = [os.path.dirname(os.path.realpath(__file__)) + end for end in ("", "/helpers")]
if not any(os.path.isdir(path + "/helpers/thin_env") for path in sys.path[:2]):
    sys.exit(os.write(2, b"main_pytest.py: error: helpers/ is empty; fix: git submodule update --init helpers\n") and 2)
sys.exit(__import__("helpers.thin_env.entry", fromlist=["start"]).start(__file__, "helpers.driver.cli"))
