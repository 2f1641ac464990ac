"""What a real Gitea sent: every delivery verifies, and each says what it should, or nothing."""

import json

import pytest

from handlers import gitea
from handlers.errors import Malformed, Unverified
from handlers.hints import CommentHint, RefHint
from tests.deliveries import recorded

ALL = {one.name: one for one in recorded("gitea")}
ZERO = "0" * 40
NEW = "ed2fc4c8a3a21a01947c21d15c027de5d94edd50"


def said(number: str):
    (one,) = (one for name, one in ALL.items() if name.startswith(number))
    return gitea.parse(one.headers, one.body)


@pytest.mark.parametrize("name", ALL)
def test_every_delivery_verifies_by_either_signature_and_under_forgejos_names(name):
    one = ALL[name]
    gitea.verify(one.headers, one.body, (b"another", one.secret), 0.0)
    alone = {k: v for k, v in one.headers.items() if k in {"X-Gitea-Delivery", "X-Hub-Signature-256"}}
    gitea.verify(alone, one.body, (one.secret,), 0.0)
    forgejo = {k.replace("Gitea", "Forgejo"): v for k, v in one.headers.items() if k.startswith("X-Gitea")}
    gitea.verify(forgejo, one.body, (one.secret,), 0.0)
    assert gitea.delivery_id(forgejo, b"") == gitea.delivery_id(one.headers, b"")
    assert gitea.parse(forgejo, one.body) == gitea.parse(one.headers, one.body)


def test_one_right_signature_does_not_excuse_another_that_is_wrong():
    one = ALL["001-push-branch-updated"]
    for name in ("X-Gitea-Signature", "X-Hub-Signature-256"):
        with pytest.raises(Unverified):
            gitea.verify({**one.headers, name: "sha256=00"}, one.body, (one.secret,), 0.0)


def test_without_a_signature_a_secret_or_an_id_nothing_verifies():
    one = ALL["001-push-branch-updated"]
    unsigned = {k: "" if "Signature" in k else v for k, v in one.headers.items()}
    nameless = {k: v for k, v in one.headers.items() if "Delivery" not in k}
    for headers, secrets in ((unsigned, (one.secret,)), (one.headers, ()), (one.headers, (b"",))):
        with pytest.raises(Unverified):
            gitea.verify(headers, one.body, secrets, 0.0)
    with pytest.raises(Unverified):
        gitea.verify(nameless, one.body, (one.secret,), 0.0)


def test_a_push_hints_at_its_reference_and_names_its_pusher():
    assert said("001") == (
        RefHint("refs/heads/main", "e538786f46b888779a7b4cdba9b76ce863bbb691", NEW, "ada", "ml-team/fraud"),
    )
    assert said("004")[0].ref == "refs/tags/v1.4.1-rc.1"
    assert said("006")[0].after == ZERO


def test_what_is_made_or_removed_hints_at_its_reference_in_full():
    assert said("005") == (RefHint("refs/tags/v1.4.1-rc.1", "", "", "ada", "ml-team/fraud"),)
    assert said("026") == (RefHint("refs/heads/feature/threshold", "", "", "ada", "ml-team/fraud"),)


def test_a_test_delivery_concerns_nothing():
    assert said("028") == ()


def test_a_new_comment_with_a_command_tells_who_wrote_it_and_where():
    text = "/segue approve fraud 1.4.0\r\n\r\nLooks good, é"
    assert said("014") == (CommentHint("ada", "1", text, "ml-team/fraud", "pull/1", "5", 1795443620.0),)
    assert said("031")[0].where == "issue/2"


def test_a_comment_that_was_edited_or_deleted_or_holds_no_command_concerns_nothing():
    assert [said(number) for number in ("016", "017", "033", "034", "040")] == [()] * 5


def test_the_same_bytes_under_another_id_are_another_delivery_of_the_same_comment():
    assert said("031") == said("041")
    assert (
        len({gitea.delivery_id(one.headers, b"") for name, one in ALL.items() if name[:3] in {"031", "041"}})
        == 2
    )


def changed(name: str, **changes):
    one = ALL[name]
    body = json.loads(one.body)
    for path, value in changes.items():
        *outer, last = path.split("__")
        at = body
        for key in outer:
            at = at[key]
        at[last] = value
    return gitea.parse(one.headers, json.dumps(body).encode())


COMMENT = "031-issue_comment-created"


def test_what_somebody_else_sent_in_the_authors_name_or_gitea_itself_or_segue_concerns_nothing():
    assert changed(COMMENT) != ()
    assert changed(COMMENT, sender__id=7) == ()
    assert changed(COMMENT, action="edited", comment__body="/segue abort rel-1") == ()
    assert changed(COMMENT, sender__id=-2, comment__user__id=-2) == ()
    assert changed(COMMENT, comment__body="/segue abort rel-1\n<!-- segue:answer -->") == ()
    assert changed(COMMENT, comment__body="> /segue abort rel-1") == ()


@pytest.mark.parametrize(
    "changes",
    [{"comment": 1}, {"comment__id": "5"}, {"sender": None}, {"repository__full_name": 3}, {"issue": []}],
)
def test_a_comment_of_another_form_is_malformed(changes):
    with pytest.raises(Malformed):
        changed(COMMENT, **changes)


def test_the_others_concern_nothing():
    dull = ("010", "012", "024", "018", "023", "027", "029", "037", "038")
    assert [said(number) for number in dull] == [()] * len(dull)


def test_a_workflow_that_pushed_is_nobody():
    assert changed("001-push-branch-updated")[0].pusher == "ada"
    assert changed("001-push-branch-updated", sender__id=-2)[0].pusher == ""
