"""GitHub, GitLab and Bitbucket: what each delivery says, and what it says to nobody."""

import json
from dataclasses import replace

import pytest

from handlers import bitbucket, github, gitlab
from handlers.errors import Malformed, Unverified
from handlers.hints import CommentHint, RefHint
from service.settings import Settings
from tests.deliveries import Recorded, recorded

HANDLERS = {"github": github, "gitlab": gitlab, "bitbucket": bitbucket}
ALL = {(kind, one.name): one for kind in HANDLERS for one in recorded(kind)}
ZERO, OLD, NEW = (
    "0" * 40,
    "95790bf891e76fee5e1747ab589903a6a1f80f22",
    "da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
)
CAT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
HELLO = "Codertocat/Hello-World"
GOOD = "/segue approve rel-1\r\n\r\nLooks good, é"
MAIN = RefHint("refs/heads/main", OLD, NEW, "ada")
ACCOUNT, UUID = "557058:c0b72ad0", "{ccd8a297-9f6d-40c2-bc3b-5639ee18c7fa}"


WRITTEN = 1795443620.0


def github_comment(text: str, where: str, comment: str, written: float) -> CommentHint:
    return CommentHint("Codertocat", "21031067", text, HELLO, where, comment, written)


def gitlab_comment(text: str, where: str) -> CommentHint:
    return CommentHint("ada", "4", text, "ml/fraud", where, "1244", WRITTEN)


def server_comment(text: str, where: str, kind: str) -> CommentHint:
    return CommentHint("ada", "8361", text, "ML/fraud", where, f"{kind}-62", 1505783860.548)


def cloud_comment(text: str, where: str, kind: str) -> CommentHint:
    return CommentHint(ACCOUNT, UUID, text, "ml/fraud", where, f"{kind}-17", WRITTEN)


SAID = {
    ("github", "push"): (RefHint("refs/tags/simple-tag", ZERO, CAT, "Codertocat", HELLO),),
    ("github", "push-branch"): (RefHint("refs/heads/master", ZERO, CAT, "Codertocat", HELLO),),
    ("github", "push-form"): (RefHint("refs/heads/master", ZERO, CAT, "Codertocat", HELLO),),
    ("github", "push-deleted"): (RefHint("refs/tags/simple-tag", CAT, ZERO, "Codertocat", HELLO),),
    ("github", "create"): (RefHint("refs/tags/simple-tag", "", "", "Codertocat", HELLO),),
    ("github", "delete"): (RefHint("refs/tags/simple-tag", "", "", "Codertocat", HELLO),),
    ("github", "issue_comment-command"): (github_comment(GOOD, "issue/1", "492700400", 1557933621.0),),
    ("github", "commit_comment-command"): (
        github_comment("/segue abort rel-1", f"commit/{CAT}", "commit-33548674", 1557933639.0),
    ),
    ("github", "pull_request_review_comment-command"): (
        github_comment("/segue abort rel-1", "pull/2", "review-284312630", 1557933637.0),
    ),
    ("gitlab", "push"): (replace(MAIN, repository="ml/fraud"),),
    ("gitlab", "push-signed"): (replace(MAIN, repository="ml/fraud"),),
    ("gitlab", "push-deleted"): (RefHint("refs/heads/old", OLD, ZERO, "ada", "ml/fraud"),),
    ("gitlab", "push-created"): (RefHint("refs/heads/try", ZERO, OLD, "ada", "ml/fraud"),),
    ("gitlab", "tag-push-deleted"): (RefHint("refs/tags/v1.4.0", OLD, ZERO, "ada", "ml/fraud"),),
    ("gitlab", "tag-push"): (RefHint("refs/tags/v1.4.0", ZERO, OLD, "ada", "ml/fraud"),),
    ("gitlab", "note-merge-request"): (gitlab_comment(GOOD.replace("\r", ""), "pull/7"),),
    ("gitlab", "note-signed"): (gitlab_comment("/segue abort rel-1", "pull/7"),),
    ("gitlab", "note-issue"): (gitlab_comment("/segue rollback fraud", "issue/17"),),
    ("gitlab", "note-commit"): (gitlab_comment("/segue abort rel-1", f"commit/{OLD}"),),
    ("bitbucket", "cloud-push"): (
        RefHint("refs/heads/main", OLD, NEW, ACCOUNT, "ml/fraud"),
        RefHint("refs/tags/v1.4.0", ZERO, NEW, ACCOUNT, "ml/fraud"),
        RefHint("refs/heads/feature/old", OLD, ZERO, ACCOUNT, "ml/fraud"),
    ),
    ("bitbucket", "cloud-pull-request-comment"): (cloud_comment(GOOD, "pull/7", "pull"),),
    ("bitbucket", "cloud-issue-comment"): (cloud_comment("/segue abort rel-1", "issue/17", "issue"),),
    ("bitbucket", "cloud-commit-comment"): (cloud_comment("/segue abort rel-1", f"commit/{OLD}", "commit"),),
    ("bitbucket", "server-push"): (
        MAIN,
        RefHint("refs/tags/v1.4.0", ZERO, NEW, "ada"),
        RefHint("refs/heads/feature/old", OLD, ZERO, "ada"),
    ),
    ("bitbucket", "server-pull-request-comment"): (server_comment("/segue approve rel-1", "pull/7", "pull"),),
    ("bitbucket", "server-commit-comment"): (
        server_comment("/segue abort rel-1", f"commit/{OLD}", "commit"),
    ),
}


@pytest.mark.parametrize("key", ALL)
def test_every_delivery_verifies_and_says_what_it_should_or_nothing(key):
    one, handler = ALL[key], HANDLERS[key[0]]
    handler.verify(one.headers, one.body, (b"another", one.secret), one.sent)
    assert handler.parse(one.headers, one.body) == SAID.get(key, ())


@pytest.mark.parametrize("key", ALL)
def test_no_delivery_verifies_changed_with_another_secret_or_with_none(key):
    one, handler = ALL[key], HANDLERS[key[0]]
    carried = "X-Gitlab-Token" in one.headers  # nothing of such a body is signed
    forged = [(one.body, ()), (one.body, (b"",)), (one.body, (b"another",))]
    for body, secrets in forged if carried else [*forged, (one.body + b" ", (one.secret,))]:
        with pytest.raises(Unverified):
            handler.verify(one.headers, body, secrets, one.sent)


@pytest.mark.parametrize("key", [key for key in ALL if key[0] != "gitlab"])
def test_without_an_id_or_a_signature_of_its_scheme_nothing_verifies(key):
    one, handler = ALL[key], HANDLERS[key[0]]
    for part in ("Signature", "Request-", "Delivery"):
        headers = {k: v for k, v in one.headers.items() if part not in k}
        if headers != one.headers:
            with pytest.raises(Unverified):
                handler.verify(headers, one.body, (one.secret,), 0.0)
    for strange in ("", "a\0b", "\u00e9", "a" * 101):
        names = {k: strange if "Request-" in k or "Delivery" in k else v for k, v in one.headers.items()}
        with pytest.raises(Unverified):
            handler.verify(names, one.body, (one.secret,), 0.0)
    bare = {
        k: v.removeprefix("sha256=") if k.startswith("X-Hub-Signature") else v for k, v in one.headers.items()
    }
    with pytest.raises(Unverified):
        handler.verify(bare, one.body, (one.secret,), 0.0)


def test_each_kind_of_event_is_among_them():
    told = {kind: set() for kind in HANDLERS}
    for (kind, _), one in ALL.items():
        names = ("X-GitHub-Event", "X-Gitlab-Event", "X-Event-Key")
        told[kind] |= {one.headers[name] for name in names if name in one.headers}
    assert told["github"] >= {
        "push", "create", "delete", "pull_request", "issue_comment", "commit_comment", "check_run",
        "pull_request_review_comment", "deployment_status", "release", "ping", "status",
    }  # fmt: skip
    assert told["gitlab"] >= {
        "Push Hook", "Tag Push Hook", "Merge Request Hook", "Note Hook", "Pipeline Hook", "Job Hook",
        "Deployment Hook", "Release Hook",
    }  # fmt: skip
    assert told["bitbucket"] >= {
        "repo:push", "repo:commit_comment_created", "repo:commit_status_created", "pullrequest:fulfilled",
        "pullrequest:comment_created", "repo:refs_changed", "pr:merged", "pr:comment:added",
        "repo:comment:added", "diagnostics:ping",
    }  # fmt: skip


def test_every_delivery_has_an_id_of_its_own():
    for kind, handler in HANDLERS.items():
        ids = [handler.delivery_id(one.headers, one.body) for one in recorded(kind)]
        assert len(set(ids)) == len(ids)


def gitlab_signed() -> Recorded:
    return ALL["gitlab", "push-signed"]


def test_a_gitlab_signature_that_is_wrong_or_old_is_not_saved_by_a_right_token():
    one = gitlab_signed()
    token = {**one.headers, "X-Gitlab-Token": one.secret.decode()}
    gitlab.verify(token, one.body, (one.secret,), one.sent + 299)
    for headers, now in (
        ({**token, "webhook-signature": "v1,AAAA"}, one.sent),
        ({**token, "webhook-id": "another"}, one.sent),
        (token, one.sent + 301),
    ):
        with pytest.raises(Unverified):
            gitlab.verify(headers, one.body, (one.secret,), now)


def test_the_beginning_or_a_part_of_a_gitlab_signing_token_signs_nothing():
    one = gitlab_signed()
    for secret in (one.secret.removeprefix(b"whsec_"), b"whsec_", b"whsec_!!!!", b"whsec_AAA"):
        with pytest.raises(Unverified):
            gitlab.verify(one.headers, one.body, (secret,), one.sent)


def test_gitlabs_id_is_the_one_that_a_retry_keeps_and_the_content_where_there_is_none():
    one = gitlab_signed()
    alone = {k: v for k, v in one.headers.items() if k != "webhook-id"}
    assert gitlab.delivery_id(one.headers, b"") == gitlab.delivery_id(alone, b"") != ""
    old = {k: v for k, v in alone.items() if k != "Idempotency-Key"}
    assert gitlab.delivery_id(old, b"1") == gitlab.delivery_id(old, b"1") != gitlab.delivery_id(old, b"2")


def changed(key: tuple[str, str], **changes):
    one = ALL[key]
    body = json.loads(one.body)
    for path, value in changes.items():
        *outer, last = path.split("__")
        at = body
        for name in outer:
            at = at[int(name)] if isinstance(at, list) else at[name]
        at[last] = value
    return HANDLERS[key[0]].parse(one.headers, json.dumps(body).encode())


COMMENTS = {
    ("github", "issue_comment-command"): (
        {"sender__id": 7},
        {"action": "edited"},
        {"comment__user__type": "Bot"},
        {"comment__body": "/segue abort rel-1\n<!-- segue -->"},
    ),
    ("gitlab", "note-merge-request"): (
        {"user__id": 7},
        {"object_attributes__action": None},
        {"object_attributes__system": None},
        {"user__username": "group_1_bot"},
    ),
    ("bitbucket", "cloud-pull-request-comment"): ({"actor__uuid": "{}"}, {"comment__user__type": "team"}),
    ("bitbucket", "server-pull-request-comment"): (
        {"actor__id": 7},
        {"comment__author__type": "SERVICE"},
    ),
}


@pytest.mark.parametrize("key", COMMENTS)
def test_a_comment_that_its_author_did_not_just_write_himself_never_counts(key):
    for changes in COMMENTS[key]:
        assert changed(key, **changes) == (), changes


MALFORMED = {
    ("github", "push"): ({"ref": 1}, {"sender": None}, {"ref": "x" * 301}),
    ("github", "issue_comment-command"): ({"comment": None}, {"comment__id": True}, {"issue__number": "1"}),
    ("gitlab", "push"): ({"object_kind": None}, {"before": 1}),
    ("gitlab", "note-merge-request"): ({"object_attributes": []}, {"merge_request": None}),
    ("bitbucket", "cloud-push"): (
        {"push": None},
        {"push__changes": {}},
        {"push__changes": [1]},
        {"push__changes": [{}] * 5001},
        {"push__changes": [{"old": None, "new": None}]},
        {"push__changes__1__new__target": {}},
    ),
    ("bitbucket", "server-push"): ({"changes": [{}]}, {"actor__name": 1}, {"actor": None}),
}


@pytest.mark.parametrize("key", MALFORMED)
def test_what_has_not_the_documented_form_is_malformed(key):
    for changes in MALFORMED[key]:
        with pytest.raises(Malformed):
            changed(key, **changes)


@pytest.mark.parametrize(
    "body",
    [b"", b"payload", b"other=1", b"payload=%7B", b"payload=%FF", b"\xff", b"a=1&" * 11 + b"payload={}"],
)
def test_a_form_without_json_in_its_field_is_malformed(body):
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-GitHub-Event": "push"}
    with pytest.raises(Malformed):
        github.parse(headers, body)


def test_a_push_that_changes_nothing_only_tries_the_hook():
    assert changed(("github", "push"), before=CAT) == ()
    assert changed(("gitlab", "push"), after=OLD) == ()


def test_a_push_of_thousands_of_commits_is_no_larger_than_what_is_taken(tmp_path):
    """GitHub lists each commit with its files, where others list the newest few."""
    told = json.loads(ALL["github", "push-branch"].body)
    files = [f"models/churn/part-{number}/weights.csv" for number in range(20)]
    commits = [told["head_commit"] | {"modified": files}] * 2_000
    body = json.dumps(told | {"commits": commits}).encode()
    assert len(body) <= Settings(home=tmp_path).body_bytes
    assert github.parse(ALL["github", "push-branch"].headers, body) == SAID["github", "push-branch"]


SYSTEM = {"X-Gitlab-Event": "System Hook"}
PROJECT = {"project_id": 1, "project": {"path_with_namespace": "ml/fraud"}, "user_id": 4, "user_name": "Ada"}


def system(**told):
    """What a GitLab's system hook says: there it has another word for what happened, and names no login."""
    return json.dumps(PROJECT | told).encode()


def test_a_system_hook_tells_of_pushes_and_tags_in_all_groups_and_not_by_whom():
    push = system(event_name="push", ref="refs/heads/main", before=OLD, after=NEW)
    assert gitlab.parse(SYSTEM, push) == (RefHint("refs/heads/main", OLD, NEW, "", "ml/fraud"),)
    tag = system(event_name="tag_push", ref="refs/tags/v1", before=ZERO, after=NEW)
    assert gitlab.parse(SYSTEM, tag) == (RefHint("refs/tags/v1", ZERO, NEW, "", "ml/fraud"),)


def test_a_system_hook_tells_of_a_push_of_many_references_once():
    changes = [{"ref": f"refs/tags/v{n}", "before": ZERO, "after": NEW} for n in range(9)]
    told = system(event_name="repository_update", changes=changes, refs=[])
    assert gitlab.parse(SYSTEM, told) == tuple(
        RefHint(f"refs/tags/v{n}", ZERO, NEW, "", "ml/fraud") for n in range(9)
    )
    for strange in (None, [1], [{"ref": "refs/heads/main"}], changes * 600):
        with pytest.raises(Malformed):
            gitlab.parse(SYSTEM, system(event_name="repository_update", changes=strange))


@pytest.mark.parametrize("kind", ["project_create", "user_create", "key_create", "user_failed_login"])
def test_what_else_a_system_hook_says_is_nobodys_news(kind):
    assert gitlab.parse(SYSTEM, system(event_name=kind)) == ()
    assert gitlab.nothing(SYSTEM, system(event_name=kind)).startswith(f"{kind} starts nothing")


PROGRAMS = {
    ("github", "push"): {"sender__type": "Bot"},
    ("gitlab", "push"): {"user_username": "project_15_bot_a1b2"},
    ("bitbucket", "cloud-push"): {"actor__type": "app_user"},
    ("bitbucket", "server-push"): {"actor__type": "SERVICE"},
}


@pytest.mark.parametrize("key", PROGRAMS)
def test_a_program_that_pushed_is_nobody(key):
    assert {hint.pusher for hint in SAID[key]} != {""}
    assert {hint.pusher for hint in changed(key, **PROGRAMS[key])} == {""}
