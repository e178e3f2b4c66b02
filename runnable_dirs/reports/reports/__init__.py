"""Turns the orders that intake accepted into a page."""
