"""What somebody may do in a repository, as GitHub tells it and Gitea after it."""

from service.adapters.hosts.rest import Missing, Rest
from service.ports.git import Permission

_WORDS = {
    "owner": Permission.ADMIN,  # Gitea's
    "admin": Permission.ADMIN,
    "write": Permission.WRITE,
    "read": Permission.READ,
}


def permission(rest: Rest, repository: str, login: str) -> Permission:
    """By whichever way they may; NONE for whom the host does not know, and for a word that is not known here.
    `login` stands in the address: it must be checked before. Raises `Refused` or `Retry`."""
    try:
        found = rest.get(f"{repository}/collaborators/{login}/permission")
    except Missing:
        return Permission.NONE
    return _WORDS.get(str(found.get("permission")), Permission.NONE)
