"""The test driver: selects runnable dirs, plans, runs each one's tests in its own container, reports."""
