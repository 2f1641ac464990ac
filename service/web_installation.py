"""The installation over HTTP: what is connected and how it stands, clusters, settings."""

from dataclasses import asdict

from flask import Blueprint, Response

from service.bootstrap import Parts
from service.showing import installed
from service.web_answers import by_name, listed


def add(api: Blueprint, parts: Parts) -> None:
    """Its addresses."""

    @api.get("/settings")
    def settings() -> Response:
        rows, following = by_name(installed.in_force(parts.settings), lambda one: one.name)
        return listed("after", following, settings=[asdict(one) for one in rows])

    @api.get("/sources")
    def sources() -> Response:
        with parts.store.read() as read:
            known, looks = read.sources(), read.newest_at_sources(installed.LOOK)
        rows, following = by_name(known, lambda one: one.name)
        found = [installed.source(installed.connected(one, looks)) for one in rows]
        return listed("after", following, sources=found)

    @api.get("/clusters")
    def clusters() -> Response:
        rows, following = by_name(parts.store.clusters(), lambda one: one.name)
        return listed("after", following, clusters=[installed.cluster(one) for one in rows])
