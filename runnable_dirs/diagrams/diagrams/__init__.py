"""Draws a dependency list as a picture."""
