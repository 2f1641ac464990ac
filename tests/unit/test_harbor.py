"""Harbor's webhook, in both of its formats, hints at tags."""

import json

import pytest

from handlers import harbor
from handlers.errors import Malformed, Unverified
from handlers.hints import TagHint

PUSHED = {
    "type": "PUSH_ARTIFACT",
    "occur_at": 1795442345,
    "operator": "robot$acme+ci",
    "event_data": {
        "resources": [
            {"digest": "sha256:1", "tag": "main-42", "resource_url": "harbor.example/acme/fraud:main-42"},
            {"digest": "sha256:1", "tag": "stable", "resource_url": "harbor.example/acme/fraud:stable"},
        ],
        "repository": {
            "date_created": 1795442345,
            "name": "fraud",
            "namespace": "acme",
            "repo_full_name": "acme/fraud",
            "repo_type": "private",
        },
    },
}
TOLD = (TagHint("acme/fraud", "main-42"), TagHint("acme/fraud", "stable"))


def parse(body):
    return harbor.parse({}, json.dumps(body).encode())


def test_each_tag_of_a_push_is_hinted_at_in_both_formats():
    event = {
        "specversion": "1.0",
        "id": "5b1b4a4e",
        "source": "/projects/1/webhook/policies/2",
        "type": "harbor.artifact.pushed",
        "datacontenttype": "application/json",
        "data": PUSHED["event_data"],
        "operator": "robot$acme+ci",
    }
    assert parse(PUSHED) == parse(event) == TOLD


def test_what_moves_no_tag_is_nobodys_news():
    for kind in ("PULL_ARTIFACT", "SCANNING_COMPLETED", "QUOTA_EXCEED", "harbor.scan.completed"):
        assert parse(PUSHED | {"type": kind}) == ()


def test_what_moves_tags_without_naming_them_makes_us_look():
    assert (
        len(parse({"type": "REPLICATION", "event_data": {"replication": {"policy_creator": "admin"}}})) == 1
    )
    by_digest = {"resources": [{"digest": "sha256:1"}], "repository": {"repo_full_name": "acme/fraud"}}
    assert parse({"type": "DELETE_ARTIFACT", "event_data": by_digest}) == (TagHint("acme/fraud", ""),)


@pytest.mark.parametrize(
    "change",
    [
        {"type": None},
        {"event_data": None},
        {"event_data": {"repository": {}}},
        {"event_data": {"repository": {"repo_full_name": "a"}, "resources": 5}},
        {"event_data": {"repository": {"repo_full_name": "a"}, "resources": [5]}},
        {"event_data": {"repository": {"repo_full_name": "a"}, "resources": [{"tag": 5}]}},
    ],
)
def test_another_form_is_malformed(change):
    with pytest.raises(Malformed):
        parse(PUSHED | change)


@pytest.mark.parametrize("header", ["Bearer s3cr3t", "s3cr3t"])
def test_the_auth_header_is_taken_as_it_was_written_in_the_policy(header):
    harbor.verify({"Authorization": header}, b"", (b"s3cr3t",), 0.0)
    with pytest.raises(Unverified):
        harbor.verify({"Authorization": header[:-1]}, b"", (b"s3cr3t",), 0.0)
