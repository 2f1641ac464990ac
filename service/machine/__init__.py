"""Processes of this machine: kept running, kept apart, found again; their logs and small ports."""
