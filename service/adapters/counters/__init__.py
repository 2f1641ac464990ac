"""Metric sources that a guard's `query` is asked of."""
