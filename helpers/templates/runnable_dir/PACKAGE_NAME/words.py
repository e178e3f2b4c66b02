"""Counts the words of a text."""

from collections import Counter


def most_common(text: str, count: int) -> list[tuple[str, int]]:
    """Return the `count` most frequent words of `text` with how often they occur, small and capital letters alike."""
    return Counter(text.lower().split()).most_common(count)
