import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "helpers"))
try:
    from helpers.thin_env import use_bytecode_cache
except ImportError:
    sys.exit(os.write(2, b"tasks.py: error: helpers/ is empty; fix: git submodule update --init helpers\n") and 2)
use_bytecode_cache()
from helpers.tasks import namespace as namespace  # noqa: E402
