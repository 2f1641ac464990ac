"""Decisions and what leads to them: from a change at a source to releases, in one transaction each."""
