"""Validates and normalises order records."""
