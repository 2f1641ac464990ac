"""Who may do what: what the addresses of tokens, logins, roles and people take and answer."""

from collections.abc import Mapping

from service.openapi.operation import API, Operation, listed
from service.openapi.schema import COUNT, TEXT, YES, Schema, of, ref

_NAME: Mapping[str, Schema] = {"name": {"type": "string", "examples": ["ann"]}}
_HOLDER: Mapping[str, Schema] = {
    "name": {"type": "string", "examples": ["token:ann"], "description": "the `holder` of a row"}
}
_GRANT: Mapping[str, Schema] = {"who": TEXT, "role": TEXT, "on": TEXT}

OPERATIONS: Mapping[str, Operation] = {
    f"GET {API}/tokens": listed(
        "list_tokens", "Tokens, by name, of who may not let others in their own alone", "tokens", "token"
    ),
    f"POST {API}/tokens": Operation(
        "make_token",
        "A new token of a name that none has; it is in this answer and nowhere else",
        {201: ref("made")},
        body=ref("new_token"),
        refused=(400, 403, 409, 413),
    ),
    f"DELETE {API}/tokens/<name>": Operation(
        "end_token",
        "End a token, and with it its logins and links: one's own, or anybody's but the operator's",
        {200: of(name=TEXT, revoked=YES)},
        path=_NAME,
        refused=(403, 404),
    ),
    f"GET {API}/logins": listed(
        "list_logins",
        "Who is logged in to the page, by holder, of who may not let others in their own alone",
        "logins",
        "login",
    ),
    f"DELETE {API}/logins/<name>": Operation(
        "end_logins",
        "End all logins of a holder, and links that were not followed: one's own, or anybody's",
        {200: of(holder=TEXT, ended=COUNT)},
        path=_HOLDER,
    ),
    f"GET {API}/grants": listed("list_grants", "Roles of logins and groups, by holder", "grants", "role"),
    f"POST {API}/grants": Operation(
        "give_role",
        "Give a login or a group a role; one that it has already is not given twice",
        {200: ref("changed")},
        body=ref("new_role"),
        refused=(400, 403, 413),
    ),
    f"DELETE {API}/grants": Operation(
        "take_back_role",
        "Take a role back from a login or a group; without `role` and `on` every role",
        {200: ref("changed")},
        query=_GRANT,
        required=("who",),
        refused=(400, 403),
    ),
    f"GET {API}/persons": listed(
        "list_persons", "Which accounts are one person's, by name", "persons", "person"
    ),
    f"PUT {API}/persons/<name>": Operation(
        "name_accounts",
        "Say which accounts are one person's, in place of what was said before",
        {200: ref("person")},
        path=_NAME,
        body=ref("accounts"),
        refused=(400, 403, 413),
    ),
    f"DELETE {API}/persons/<name>": Operation(
        "forget_person",
        "Forget which accounts are one person's",
        {200: ref("person")},
        path=_NAME,
        refused=(403, 404),
    ),
}
