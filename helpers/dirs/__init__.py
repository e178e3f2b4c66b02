"""Runnable dirs as such: makes them, lists them, and says what is wrong with one."""
