"""Writes what other programs read of a repo: the workflow of its CI, settings of editors."""
