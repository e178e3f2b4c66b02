"""The command line, and what the image of `prod` starts: `python -m PACKAGE_NAME < TEXT`."""

import sys

from PACKAGE_NAME.words import most_common

if __name__ == "__main__":
    for word, count in most_common(sys.stdin.read(), 3):
        print(count, word)
