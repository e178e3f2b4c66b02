"""What runs inside a container: standard library only, imports nothing of ours, works on Python 3.8 and newer."""
