"""Senders' contracts: real signatures verify, forgeries do not, nothing else is ever raised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import bare_hook, commands, mlflow, registry, signing, strict_json
from handlers.errors import HandlerError, Malformed, Unverified
from handlers.hints import AliasHint, RefHint, TagHint
from policies.events import Command

SECRET = b"s3cr3t"
NOW = 1795415906.0
# A delivery that a real MLflow server sent and signed.
BODY = (
    b'{"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-23T06:38:26.222092+00:00", '
    b'"data": {"name": "fraud", "alias": "champion", "version": "7"}}'
)
HEADERS = {
    "X-MLflow-Delivery-Id": "2b067b74-054b-49b1-b4c5-30e5d3617d43",
    "X-MLflow-Timestamp": "1795415906",
    "X-MLflow-Signature": "v1,miCaBN4eGvqT/fSmnAd8IAM2x6Zv1ZSIjmdr3hSjNxE=",
}
FORGERIES = {
    "another secret": (HEADERS, BODY, (b"other",), NOW),
    "no secret": (HEADERS, BODY, (), NOW),
    "an empty secret": (HEADERS, BODY, (b"",), NOW),
    "a changed body": (HEADERS, BODY.replace(b"7", b"8"), (SECRET,), NOW),
    "a changed id": ({**HEADERS, "X-MLflow-Delivery-Id": "x"}, BODY, (SECRET,), NOW),
    "no id": ({k: v for k, v in HEADERS.items() if "Id" not in k}, BODY, (SECRET,), NOW),
    "no signature": ({**HEADERS, "X-MLflow-Signature": ""}, BODY, (SECRET,), NOW),
    "another scheme": ({**HEADERS, "X-MLflow-Signature": "v2,miCa"}, BODY, (SECRET,), NOW),
    "a signature that is no ASCII": ({**HEADERS, "X-MLflow-Signature": "v1,é"}, BODY, (SECRET,), NOW),
    "a lone prefix": ({**HEADERS, "X-MLflow-Signature": "v1,"}, BODY, (SECRET,), NOW),
    "a late replay": (HEADERS, BODY, (SECRET,), NOW + 901),
    "the future": (HEADERS, BODY, (SECRET,), NOW - 901),
    "a time that is no number": ({**HEADERS, "X-MLflow-Timestamp": "abc"}, BODY, (SECRET,), NOW),
    "a time in other digits": (
        {**HEADERS, "X-MLflow-Timestamp": "１７９５４１５９０６"},
        BODY,
        (SECRET,),
        NOW,
    ),
    "a time of many digits": ({**HEADERS, "X-MLflow-Timestamp": "9" * 5000}, BODY, (SECRET,), NOW),
}


def test_a_real_delivery_verifies_also_while_a_secret_is_rotated():
    mlflow.verify(HEADERS, BODY, (SECRET,), NOW)
    mlflow.verify(HEADERS, BODY, (b"new", SECRET), NOW + 600)
    lower = {key.lower(): value for key, value in HEADERS.items()}
    mlflow.verify(lower, BODY, (SECRET,), NOW)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_is_refused(forgery):
    headers, body, secrets, now = FORGERIES[forgery]
    with pytest.raises(Unverified):
        mlflow.verify(headers, body, secrets, now)


def test_an_alias_delivery_hints_at_the_alias_and_believes_no_version():
    assert mlflow.parse(HEADERS, BODY) == (AliasHint("fraud", "champion"),)


def test_the_senders_own_test_delivery_and_our_own_tags_concern_nothing():
    assert mlflow.parse({}, BODY.replace(b"fraud", b"example_model")) == ()
    tag = b'{"entity": "model_version_tag", "action": "set", "data": {"name": "m", "version": "1", "key": "segue.result"}}'
    assert mlflow.parse({}, tag) == ()


def hook_delivery(body: bytes, secret: bytes = SECRET) -> dict[str, str]:
    message = b"one.1795415906." + body
    return {
        "webhook-id": "one",
        "webhook-timestamp": "1795415906",
        "webhook-signature": signing.sign(secret, message),
    }


def test_a_push_of_several_references_is_several_hints():
    body = b'{"pusher": "ann", "changes": [{"ref": "refs/heads/a", "before": "1", "after": "2"}, {"ref": "refs/tags/v1", "before": "0", "after": "2"}]}'
    headers = hook_delivery(body)
    bare_hook.verify(headers, body, (SECRET,), NOW)
    assert bare_hook.parse(headers, body) == (
        RefHint("refs/heads/a", "1", "2", "ann"),
        RefHint("refs/tags/v1", "0", "2", "ann"),
    )
    with pytest.raises(Unverified):
        bare_hook.verify(headers, body + b" ", (SECRET,), NOW)


# What a registry (Distribution 2.8) sent for a push, shortened; a pull; and the two of one removal.
PUSHED = (
    b'{"events": [{"id": "f9f96e11", "action": "push", "target": {"digest": "sha256:b427", "repository": '
    b'"team/fraud", "tag": "1.4.0", "references": [{"size": 264}]}, "actor": {}}]}'
)
REMOVED = (
    b'{"events": [{"action": "delete", "target": {"digest": "sha256:b427", "repository": "team/fraud"}}, '
    b'{"action": "delete", "target": {"repository": "team/fraud", "tag": "1.4.0"}}]}'
)


def test_a_registrys_notification_hints_at_tags_that_were_pushed_or_removed():
    assert registry.parse({}, PUSHED) == registry.parse({}, REMOVED) == (TagHint("team/fraud", "1.4.0"),)
    assert registry.parse({}, PUSHED.replace(b'"push"', b'"pull"')) == ()
    assert registry.parse({}, PUSHED.replace(b'"tag"', b'"length"')) == ()
    assert registry.parse({}, b'{"events": []}') == ()


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"events": {}}', b'{"events": [1]}', b'{"events": [{}]}', PUSHED.replace(b'"1.4.0"', b"5")],
)
def test_a_notification_of_another_form_is_malformed(body):
    with pytest.raises(Malformed):
        registry.parse({}, body)


@pytest.mark.parametrize("secret", [SECRET.decode(), f"{SECRET.decode()} "])
def test_a_registry_is_known_by_the_secret_that_it_carries(secret):
    registry.verify({"authorization": f"Bearer {secret}"}, PUSHED, (b"new", SECRET), NOW)


@pytest.mark.parametrize(
    ("claimed", "secrets"),
    [
        ("", (SECRET,)),
        ("Bearer ", (SECRET, b"")),
        ("Bearer guessed", (SECRET,)),
        ("Basic s3cr3t", (SECRET,)),
        ("s3cr3t", (SECRET,)),
        ("Bearer s3cr3t", ()),
        ("Bearer \u00e9", (SECRET,)),
    ],
)
def test_without_the_secret_a_notification_is_refused(claimed, secrets):
    with pytest.raises(Unverified):
        registry.verify({"Authorization": claimed}, PUSHED, secrets, NOW)


def test_a_notification_that_is_sent_again_is_known_by_its_content():
    once, again = (registry.delivery_id({"Date": date}, PUSHED) for date in ("1", "2"))
    assert once == again != registry.delivery_id({}, REMOVED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1e999}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b"\xff\xfe{}",
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"{" + b",".join(b'"%d":1' % i for i in range(30_000)) + b"}",
    ],
)
def test_json_that_is_strange_is_malformed_and_nothing_worse(body):
    with pytest.raises(Malformed):
        strict_json.load(body)


@given(st.binary(max_size=300), st.dictionaries(st.sampled_from(list(HEADERS)), st.text(max_size=40)))
def test_no_bytes_and_no_headers_raise_anything_but_a_handlers_error(body, headers):
    for handler in (mlflow, bare_hook, registry):
        for call in (
            lambda h=handler: h.verify(headers, body, (SECRET,), NOW),
            lambda h=handler: h.parse(headers, body),
        ):
            try:
                call()
            except HandlerError:
                pass


def parsed(text: str):
    return commands.parse(text, "ann", "cli", 1.0)


def test_a_command_names_its_release_digest_and_reason():
    (command,) = parsed("/segue approve rel-42 sha256:1f0c1f0c1f0c looks good")
    assert command == Command("approve", "rel-42", "sha256:1f0c1f0c1f0c", "looks good", "ann", "cli", 1.0)


def test_quotes_code_blocks_and_words_in_a_line_never_count():
    assert (
        parsed("> /segue abort rel-1\n```\n/segue abort rel-1\n```\nplease /segue abort rel-1\n/seguex abort")
        == ()
    )


# Shown as code, as a quote or not at all, at the hosts and in the chats that take Markdown.
NOT_SAID = {
    "a fence that holds a shorter one": "````\n```\n/segue abort rel-1\n````",
    "a fence that holds one of the other kind": "```\n~~~\n/segue abort rel-1\n~~~\n/segue abort rel-1\n```",
    "a fence that holds what is no end of it": "```\n``` not its end\n    ```\n/segue abort rel-1\n```",
    "a fence behind code within a line": "``` code ```\n```\n/segue abort rel-1\n```",
    "a fence that names a language": "~~~ sh `x`\n/segue abort rel-1\n~~~",
    "a fence that is not ended": "```\n/segue abort rel-1\n\n/segue abort rel-1",
    "GitLab's quote of many lines": ">>>\nhe wrote\n/segue abort rel-1\n>>>",
    "GitLab's longer one": ">>>>\n>>>\n/segue abort rel-1\n>>>>",
    "a quoted line that another separator parts": "> well\u2028/segue abort rel-1",
    "one that steers a printer": "> well\x0b/segue abort rel-1\x0c/segue abort rel-1\x85/segue abort rel-1",
    "a comment that nobody sees": "<!--\n/segue abort rel-1\n-->",
    "what is set as it is": "<PRE class=x>\n\n/segue abort rel-1\n</pre>",
    "a quote in HTML": "<blockquote>\n/segue abort rel-1\n</blockquote>",
}


@pytest.mark.parametrize("how", NOT_SAID)
def test_what_is_shown_as_code_or_as_a_quote_or_not_at_all_never_counts(how):
    assert parsed(NOT_SAID[how]) == ()


@pytest.mark.parametrize("how", [how for how in NOT_SAID if "not ended" not in how])
def test_what_stands_behind_it_counts(how):
    (command,) = parsed(f"{NOT_SAID[how]}\n/segue pause rel-2")
    assert (command.verb, command.subject) == ("pause", "rel-2")


@pytest.mark.parametrize(
    "text",
    [
        "<!-- a template's hint -->\n/segue pause rel-1",
        "> he wrote\n/segue pause rel-1",
        "``` code ``` in a line\n/segue pause rel-1",
        "<precious>\n/segue pause rel-1",
        "well\r\n/segue pause rel-1\r\n",
        "well\r/segue pause rel-1",
    ],
)
def test_what_stands_beside_them_counts(text):
    (command,) = parsed(text)
    assert (command.verb, command.subject) == ("pause", "rel-1")


def test_a_typo_is_answered_with_the_nearest_command():
    (wrong,) = parsed("/segue aprove rel-1")
    assert "did you mean `/segue approve`" in wrong.message


def test_a_command_that_names_too_little_says_what_to_write():
    (wrong,) = parsed("/segue rollback")
    assert "/segue rollback <target>" in wrong.message


@given(st.text(max_size=80))
def test_no_comment_breaks_the_grammar(text):
    for found in parsed("/segue " + text):
        if isinstance(found, Command):
            assert parsed(commands.render(found)) == (found,)
