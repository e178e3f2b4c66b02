import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "helpers"))
from helpers.thin_env import use_bytecode_cache

use_bytecode_cache()
from helpers.tasks import namespace as namespace  # noqa: E402
