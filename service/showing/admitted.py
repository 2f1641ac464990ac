"""Tokens, logins, roles and people as plain JSON objects: what the API and `--json` show of who is let in."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from policies.roles import Grant, Rights
from service.identity.callers import Given
from service.identity.sessions import Open
from service.store.rows import Token


def grants(given: Iterable[Grant]) -> list[dict[str, str]]:
    """Roles, and where each of them holds."""
    return [{"role": one.role.value, "on": one.where} for one in given]


def token(one: Token, may: Rights) -> dict[str, Any]:
    """A token: everything of it but itself."""
    return {"name": one.name, "roles": grants(may.grants), "created": one.created, "expires": one.expires}


def given(one: Given) -> dict[str, Any]:
    """A role that somebody was given."""
    return {
        "who": one.holder,
        "role": one.grant.role.value,
        "on": one.grant.where,
        "by": one.by,
        "at": one.at,
    }


def logins(opened: Iterable[Open]) -> list[dict[str, Any]]:
    """Who is logged in: how often, since when, and when one of these logins was used last."""
    by_holder = groupby(sorted(opened, key=lambda one: one.holder), lambda one: one.holder)
    found = ((holder, list(theirs)) for holder, theirs in by_holder)
    return [
        {
            "name": theirs[0].name,
            "holder": holder,
            "logins": len(theirs),
            "since": min(one.since for one in theirs),
            "used": max(one.used for one in theirs),
        }
        for holder, theirs in found
    ]
