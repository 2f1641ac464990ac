"""Repositories on Git hosts: read by a mirror of their own, told of releases by each host's REST API."""
