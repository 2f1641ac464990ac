"""The installation: what is connected and whether it answers, and every setting without its secrets."""

from flask import Blueprint, g, render_template

from service.bootstrap import Parts
from service.showing import installed


def routes(page: Blueprint, parts: Parts) -> None:
    """One page; the settings on it are for who is admin of everything."""

    @page.get("/installation")
    def installation() -> str:
        with parts.store.read() as read:
            sources, looks, now = read.sources(), read.newest_at_sources(installed.LOOK), read.now
            clusters = read.clusters()
        admits = g.visitor.rights.may_everywhere("admit")
        return render_template(
            "installation.html",
            connected=[installed.connected(one, looks) for one in sources],
            clusters=clusters,
            now=now,
            settings=installed.in_force(parts.settings) if admits else (),
            admits=admits,
        )
