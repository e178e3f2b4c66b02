"""Containers that a person works in, and what is left of them."""
