"""Simulates a queue and compares it with the theory."""
