"""Engines: what builds images and runs containers. `docker` is a real one, `venv` the embedded one."""
