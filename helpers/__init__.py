"""The toolchain: one container per runnable dir, one command to test them all."""

__version__ = "0.1.0"
