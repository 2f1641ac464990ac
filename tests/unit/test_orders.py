"""Senders that cannot be asked: what they send, as they document it, is an order or is refused."""

import base64
import json

import pytest

from handlers import alertmanager, cloudevents, hook, signing
from handlers.errors import Malformed, Unverified
from handlers.hints import OrderHint, ResolvedHint
from service.settings import Settings
from tests.deliveries import recorded

NOW = 1795442520.0
SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BEGAN = 1795442509.0  # 2026-11-23T14:01:49Z
REASON = "alert FraudModelErrorBudgetBurn fires: error rate over budget"
ALERTS = {one.name: one for one in recorded("alertmanager")}


def labelled(delivery, **labels):
    """The recorded body, with more labels on each alert."""
    told = json.loads(delivery.body)
    for alert in told["alerts"]:
        alert["labels"] |= labels
    return json.dumps(told).encode()


# --- Alertmanager ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALERTS)
def test_what_a_real_alertmanager_sent_verifies_and_concerns_nothing_without_labels_for_us(name):
    sent = ALERTS[name]
    alertmanager.verify(sent.headers, sent.body, (sent.secret,), NOW)
    assert alertmanager.parse(sent.headers, sent.body) == ()


def test_each_alert_that_fires_holds_by_its_own_status_and_mark():
    body = labelled(ALERTS["002-two-firing"], segue_target="fraud/production")
    marks = ("d06842bd0344bd75", "f662ee8c5e603469")
    assert alertmanager.parse({}, body) == tuple(
        OrderHint("pause", "fraud/production", REASON, f"{mark}:2026-11-23T14:01:49Z", BEGAN, alert=mark)
        for mark in marks
    )


def test_an_alert_that_is_resolved_within_a_body_that_fires_orders_nothing():
    body = labelled(ALERTS["003-one-resolved-among-firing"], segue_target="fraud")
    orders = [hint for hint in alertmanager.parse({}, body) if isinstance(hint, OrderHint)]
    assert [order.alert for order in orders] == ["d06842bd0344bd75"]
    over = alertmanager.parse({}, labelled(ALERTS["004-resolved"], segue_target="fraud"))
    assert over
    assert all(isinstance(hint, ResolvedHint) and hint.subject == "fraud/production" for hint in over)


@pytest.mark.parametrize(
    ("labels", "verb", "subject"),
    [
        ({"segue_target": "fraud"}, "pause", "fraud/production"),
        ({"segue_target": "fraud/staging", "segue_action": "rollback"}, "rollback", "fraud/staging"),
        ({"segue_model": "fraud"}, "pause", "fraud/production"),
        ({"segue_model": "fraud", "segue_environment": "eu", "segue_action": "hold"}, "pause", "fraud/eu"),
        ({"segue_target": "fraud", "segue_action": "rolback"}, "pause", "fraud/production"),
    ],
)
def test_labels_say_what_an_alert_is_about_and_a_typing_error_holds(labels, verb, subject):
    (order,) = alertmanager.parse({}, labelled(ALERTS["001-one-firing"], **labels))
    assert (order.verb, order.subject) == (verb, subject)


def of_many_alerts(count):
    """One group's, with as many labels as alerts of a cluster have."""
    told = json.loads(labelled(ALERTS["001-one-firing"], segue_target="fraud", cluster="a", namespace="b"))
    (one,) = told["alerts"]
    more = {f"label_{number}": "a value" for number in range(8)}
    alerts = [
        one | {"fingerprint": f"{number:016x}", "labels": one["labels"] | more | {"pod": f"pod-{number}"}}
        for number in range(count)
    ]
    return json.dumps(told | {"alerts": alerts}).encode()


def test_a_group_of_thousands_of_alerts_that_fire_at_once_is_read_to_its_end(tmp_path):
    body = of_many_alerts(alertmanager.MOST_ALERTS)
    assert len(body) <= Settings(home=tmp_path).body_bytes
    marks = [order.alert for order in alertmanager.parse({}, body)]
    assert (len(marks), marks[-1]) == (alertmanager.MOST_ALERTS, f"{alertmanager.MOST_ALERTS - 1:016x}")
    with pytest.raises(Malformed, match="at most 5000"):
        alertmanager.parse({}, of_many_alerts(alertmanager.MOST_ALERTS + 1))


AUTHORIZATIONS = {
    "a bearer": "Bearer s3cr3t",
    "a bearer in small letters": "bearer s3cr3t",
    "basic": "Basic " + base64.b64encode(b"segue:s3cr3t").decode(),
    "the bare secret": "s3cr3t",
}
REFUSED = {
    "none": "",
    "another secret": "Bearer other",
    "an empty bearer": "Bearer ",
    "the secret as a user": "Basic " + base64.b64encode(b"s3cr3t:").decode(),
    "basic without a colon": "Basic " + base64.b64encode(b"s3cr3t").decode(),
    "no base64": "Basic s3cr3t",
    "not ASCII": "Bearer sécret",
    "another scheme": "Digest s3cr3t",
}


@pytest.mark.parametrize("one", AUTHORIZATIONS)
def test_a_secret_in_the_header_is_taken_in_the_forms_that_senders_have(one):
    headers = {"authorization": AUTHORIZATIONS[one]}
    alertmanager.verify(headers, b"", (b"old", b"s3cr3t"), NOW)


@pytest.mark.parametrize("one", REFUSED)
def test_a_header_without_the_secret_is_refused(one):
    for secrets in ((b"s3cr3t",), (), (b"",)):
        with pytest.raises(Unverified):
            alertmanager.verify({"Authorization": REFUSED[one]}, b"", secrets, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"version": "3"},
        {"version": None},
        {"alerts": None},
        {"alerts": [5]},
        {"alerts": [{"labels": {"segue_target": "a"}}]},
        {"alerts": [{"labels": {"segue_target": "a"}, "status": "firing"}]},
        {"alerts": [{"labels": {"segue_target": 5}, "status": "firing"}]},
        {"alerts": [{"labels": {}, "status": "burning"}]},
        {
            "alerts": [
                {
                    "labels": {"segue_target": "a"},
                    "status": "firing",
                    "fingerprint": "1",
                    "startsAt": "yesterday",
                }
            ]
        },
    ],
)
def test_another_form_of_a_body_of_alerts_is_malformed(change):
    body = json.dumps(json.loads(ALERTS["001-one-firing"].body) | change).encode()
    with pytest.raises(Malformed):
        alertmanager.parse({}, body)


# --- the signed hook -------------------------------------------------------------------------


def test_the_vector_of_the_standard_webhooks_specification_verifies():
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    hook.verify(headers, body, (SECRET,), 1614265330.0)
    several = {**headers, "webhook-signature": f"v1a,x v1,AAAA {headers['webhook-signature']}"}
    hook.verify(several, body, (b"whsec_AAAA", SECRET), 1614265330.0 + 300)
    for wrong in (
        {"body": body + b" "},
        {"now": 1614265330.0 + 301},
        {"now": 1614265330.0 - 301},
        {"secrets": (b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)},
        {"secrets": (b"whsec_not base64",)},
        {"secrets": (b"whsec_",)},
        {"headers": {**headers, "webhook-id": "msg_other"}},
        {"headers": {k: v for k, v in headers.items() if k != "webhook-id"}},
    ):
        given = {"headers": headers, "body": body, "secrets": (SECRET,), "now": 1614265330.0} | wrong
        with pytest.raises(Unverified):
            hook.verify(**given)


@pytest.mark.parametrize(
    ("body", "order"),
    [
        (
            {"model": "churn", "version": "7"},
            OrderHint("start", "churn", "", "one", None, (("version", "7"),)),
        ),
        (
            {"command": "start", "model": "fraud", "image": "sha256:1", "reason": "nightly"},
            OrderHint("start", "fraud", "nightly", "one", None, (("image", "sha256:1"),)),
        ),
        ({"command": "rollback", "target": "wine"}, OrderHint("rollback", "wine/production", "", "one")),
        (
            {"command": "pause", "target": "wine/eu", "reason": "x"},
            OrderHint("pause", "wine/eu", "x", "one"),
        ),
        ({"command": "abort", "target": "wine/eu"}, OrderHint("abort", "wine/eu", "", "one")),
    ],
)
def test_a_hook_orders_a_start_or_what_is_on_the_safe_side(body, order):
    assert hook.parse({"webhook-id": "one"}, json.dumps(body).encode()) == (order,)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": "approve", "target": "wine"},
        {"command": "promote", "target": "wine"},
        {"command": "resume", "target": "wine"},
        {"command": "retry", "target": "wine"},
        {"command": "hand-back", "target": "wine"},
        {"command": ["pause"], "target": "wine"},
        {"command": "pause"},
        {"command": "pause", "target": "/production"},
        {"command": "pause", "target": "wine", "weight": 50},
        {"model": 5},
        {"model": "churn", "version": 7},
        {"model": "churn", "reason": None},
    ],
)
def test_what_is_for_people_or_no_order_is_refused_with_what_to_write(body):
    with pytest.raises(Malformed):
        hook.parse({"webhook-id": "one"}, json.dumps(body).encode())


# --- CloudEvents -----------------------------------------------------------------------------

EVENT = {"specversion": "1.0", "id": "e1", "source": "/ci", "type": "com.example.model.trained"}
DATA = {"model": "churn", "version": "7"}
JSON = {"Content-Type": "application/json"}
BINARY = JSON | {f"Ce-{name.title()}": value for name, value in EVENT.items()}


def structured(*events, kind="application/cloudevents+json; charset=utf-8"):
    body = json.dumps(list(events) if "batch" in kind else events[0]).encode()
    return cloudevents.parse({"Content-Type": kind}, body)


def test_the_three_modes_are_the_same_orders_under_the_same_key():
    (one,) = structured(EVENT | {"data": DATA})
    (binary,) = cloudevents.parse(BINARY, json.dumps(DATA).encode())
    encoded = base64.b64encode(json.dumps(DATA).encode()).decode()
    first, second = structured(
        EVENT | {"data_base64": encoded},
        EVENT | {"id": "e2", "data": {"command": "pause", "target": "wine"}},
        kind="application/cloudevents-batch+json",
    )
    untyped = {name: value for name, value in BINARY.items() if name != "Content-Type"}
    assert cloudevents.parse(untyped, json.dumps(DATA).encode()) == (binary,), "as the SDKs send it"
    assert one == binary == first
    assert (one.verb, one.subject, one.arguments) == ("start", "churn", (("version", "7"),))
    assert (second.verb, second.subject) == ("pause", "wine/production")
    assert second.key != first.key


def test_an_event_is_known_by_source_and_id_together():
    keys = {
        structured(EVENT | {"source": source, "id": name, "data": DATA})[0].key
        for source, name in (("/a", "b"), ("/ab", "c"), ("/a", "bc"), ("/abc", "d"), ("/a", "b"))
    }
    assert len(keys) == 4


def test_of_a_signed_event_in_headers_only_what_is_signed_names_it():
    signed = BINARY | {"webhook-id": "w1", "webhook-signature": "v1,x"}
    body = json.dumps(DATA).encode()
    other = signed | {"Ce-Id": "another"}
    assert cloudevents.delivery_id(signed, body) == cloudevents.delivery_id(other, body) == "w1"
    assert cloudevents.parse(signed, body) == cloudevents.parse(other, body)
    assert cloudevents.delivery_id(BINARY, body) != cloudevents.delivery_id(BINARY | {"Ce-Id": "x"}, body)


def test_a_signature_that_is_sent_must_be_right_whatever_else_is_sent():
    body = json.dumps(EVENT | {"data": DATA}).encode()
    bearer = {"Authorization": f"Bearer {SECRET.decode()}"}
    cloudevents.verify(bearer, body, (SECRET,), NOW)
    key = base64.b64decode(SECRET.removeprefix(b"whsec_"))
    stamp = f"{NOW:.0f}"
    good = {
        "webhook-id": "w",
        "webhook-timestamp": stamp,
        "webhook-signature": signing.sign(key, f"w.{stamp}.".encode() + body),
    }
    cloudevents.verify(good, body, (SECRET,), NOW)
    for wrong in (bearer | good | {"webhook-signature": "v1,AAAA"}, {}, {"Authorization": "Bearer x"}):
        with pytest.raises(Unverified):
            cloudevents.verify(wrong, body, (SECRET,), NOW)


def test_events_that_are_no_orders_concern_nothing_here():
    assert structured(EVENT) == ()
    assert structured(EVENT | {"data": {"weather": "fine"}}) == ()
    assert structured(EVENT | {"data": [1]}) == ()
    assert cloudevents.parse(BINARY | {"Content-Type": "text/xml"}, b"<a/>") == ()
    untyped = {name: value for name, value in BINARY.items() if name != "Content-Type"}
    assert cloudevents.parse(untyped, b"\x00\x01") == ()
    assert cloudevents.parse({}, json.dumps(DATA).encode()) == ()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, b"{}"),
        (BINARY | {"Ce-Specversion": "0.3"}, b"{}"),
        (BINARY | {"Ce-Id": "%ff"}, b"{}"),
        (BINARY, b"{"),
        ({"Content-Type": "application/cloudevents+json"}, b"[]"),
        ({"Content-Type": "application/cloudevents+json"}, b'{"specversion": "1.0"}'),
        ({"Content-Type": "application/cloudevents-batch+json"}, b"{}"),
        ({"Content-Type": "application/cloudevents-batch+json"}, b"[5]"),
        (
            {"Content-Type": "application/cloudevents+json"},
            json.dumps(EVENT | {"data_base64": "!"}).encode(),
        ),
        (
            {"Content-Type": "application/cloudevents+json"},
            json.dumps(EVENT | {"data": {"command": "approve", "target": "a"}}).encode(),
        ),
    ],
)
def test_what_is_no_event_is_malformed(headers, body):
    with pytest.raises(Malformed):
        cloudevents.parse(headers, body)
