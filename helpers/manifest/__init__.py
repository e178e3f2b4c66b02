"""Reads the manifest of a Python project, whatever tool the project is made with; nothing of the project runs."""
