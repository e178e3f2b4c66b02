import os
import sys

sys.path[:0] = [os.path.dirname(os.path.realpath(__file__)) + end for end in ("", "/helpers")]
if not any(os.path.isdir(path + "/helpers/thin_env") for path in sys.path[:2]):
    sys.exit(os.write(2, b"tasks.py: error: helpers/ is empty; fix: git submodule update --init helpers\n") and 2)
__import__("helpers.thin_env", fromlist=["use_bytecode_cache"]).use_bytecode_cache()
del sys.path[:2]
from helpers.tasks import namespace as namespace  # noqa: E402
