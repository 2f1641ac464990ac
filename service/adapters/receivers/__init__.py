"""Receivers: told of each turn of a release, by a signed request, by mail, by an annotation."""
