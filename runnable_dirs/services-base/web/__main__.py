"""The command line: `python -m web USER SECRET` prints a token of USER."""

import sys

from web.tokens import Tokens

if len(sys.argv) != 3:
    sys.exit("usage: python -m web USER SECRET")
print(Tokens(sys.argv[2]).make(sys.argv[1]))
