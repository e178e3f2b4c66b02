"""`invoke doctor`: what is missing or off on this machine, and the command that mends each.

A check is two functions: one gathers facts, one judges them without asking anything. Each module of checks ends with
its table; to add a check, add both functions and a line to the table of the module that it belongs to.
"""
