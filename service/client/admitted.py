"""Who is let in, and who may do what, as typed values of the API's answers."""

from typing import TypedDict


class Grant(TypedDict):
    role: str
    on: str


class Me(TypedDict):
    name: str
    roles: list[Grant]


class Token(TypedDict):
    name: str
    roles: list[Grant]
    created: float
    expires: float | None


class Made(TypedDict):
    """A token that was just made: `token` is nowhere else."""

    name: str
    token: str
    roles: list[Grant]
    expires: float


class Login(TypedDict):
    name: str
    holder: str
    logins: int
    since: float
    used: float


class Role(TypedDict):
    """A role of a login or a group."""

    who: str
    role: str
    on: str
    by: str
    at: float


class Changed(TypedDict):
    """How many roles were given or taken back, and those that they have now."""

    who: str
    changed: int
    roles: list[Grant]


class Person(TypedDict):
    name: str
    accounts: list[str]


class Link(TypedDict):
    link: str
    seconds: int
