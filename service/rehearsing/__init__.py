"""Policies tried before they are trusted: over simulated traffic and over what was recorded."""
