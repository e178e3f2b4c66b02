"""Forecasts a daily series: CSV in, JSON out."""
