"""Counts words; replace it by what this directory is for."""
