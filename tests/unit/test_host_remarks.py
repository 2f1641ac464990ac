"""A comment by a host's API is the same hint as by its webhook; one that was edited, a program's, ours is none."""

import pytest

from handlers.hints import CommentHint
from service.adapters.hosts import remarks
from service.adapters.hosts.comments import mark

AT, LATER = "2026-11-26T10:00:00Z", "2026-11-26T10:00:01Z"
WRITTEN = 1_795_687_200.0
TEXT = "/segue abort rel-7"
PERSON = {"id": 3, "login": "bob", "type": "User"}
GITHUB = {"id": 5, "body": TEXT, "user": PERSON, "created_at": AT, "updated_at": AT}
GITEA = {"id": 5, "body": TEXT, "user": {"id": 3, "login": "bob"}, "created_at": AT, "updated_at": AT}
GITLAB = {
    "id": 5, "body": TEXT, "author": {"id": 3, "username": "bob"}, "system": False, "created_at": AT, "updated_at": AT,
}  # fmt: skip
BITBUCKET = {
    "id": 5,
    "content": {"raw": TEXT},
    "user": {"type": "user", "uuid": "{3}", "account_id": "bob"},
    "created_on": AT,
    "updated_on": AT,
}
HOSTS = {
    "github": (remarks.of_github, GITHUB, "created_at", "updated_at", "3", ""),
    "gitea": (remarks.of_gitea, GITEA, "created_at", "updated_at", "3", ""),
    "gitlab": (remarks.of_gitlab, GITLAB, "created_at", "updated_at", "3", ""),
    "bitbucket": (remarks.of_bitbucket, BITBUCKET, "created_on", "updated_on", "{3}", "pull-"),
}
each = pytest.mark.parametrize("kind", HOSTS)


def hint(kind, where="pull/7", **changes):
    remark, told, written, changed, *_ = HOSTS[kind]
    return remarks.hint({**told, **changes}, where, remark, written, changed)


@each
def test_what_people_wrote_is_known_as_by_the_webhook(kind):
    *_, author, prefix = HOSTS[kind]
    assert hint(kind) == CommentHint("bob", author, TEXT, "", "pull/7", f"{prefix}5", WRITTEN)


def test_comments_on_commits_at_github_have_numbers_of_their_own():
    assert hint("github", "commit/" + "a" * 40).comment == "commit-5"


@each
@pytest.mark.parametrize("at", [LATER, "", None])
def test_what_was_edited_or_may_have_been_is_none(kind, at):
    assert hint(kind, **{HOSTS[kind][3]: at}) is None


@each
def test_ours_and_what_holds_no_command_are_none(kind):
    for text in (mark(b"key", "page", "pull/7", "report") + "\n" + TEXT, "well done"):
        assert hint(kind, **({"content": {"raw": text}} if kind == "bitbucket" else {"body": text})) is None


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("github", {"user": {**PERSON, "type": "Bot"}}),
        ("gitea", {"user": {"id": -2, "login": "actions"}}),
        ("gitlab", {"system": True}),
        ("gitlab", {"author": {"id": 3, "username": "project_9_bot_1"}}),
        ("bitbucket", {"user": {"type": "app", "uuid": "{3}"}}),
    ],
)
def test_a_programs_is_none(kind, changes):
    assert hint(kind, **changes) is None


@each
@pytest.mark.parametrize("key", ["id", "body", "content", "user", "author"])
def test_what_lacks_a_part_or_holds_another_is_none(kind, key):
    for value in (None, [], {}, 3.5):
        if key in HOSTS[kind][1]:
            assert hint(kind, **{key: value}) is None
