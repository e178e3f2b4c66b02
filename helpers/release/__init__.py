"""The life of an image after its build: tried, tested, pushed, tagged, promoted, rolled back."""
