"""Whole numbers in the text of a user, a checkout or another program.

`int` ends with an error for more than 4300 digits, and arithmetic with the rest may overflow.
"""

from __future__ import annotations

# The kernel's limit: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html
MOST_PROCESSES = 1 << 22


def whole(text: str, most: int) -> int | None:
    """Return the number from 0 to `most` that ASCII digits spell; None for any other text."""
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0") or "0"
    number = int(digits) if len(digits) <= len(str(most)) else most + 1
    return number if number <= most else None
