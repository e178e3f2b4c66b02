"""Images of runnable dirs: what goes into one, its lock, its build."""
