"""Forged deliveries of every kind of sender, through the real intake: one answer to all of them.

Whoever guesses learns nothing: not which source exists, of which kind it is, or what was wrong.
"""

import hashlib
import hmac
import http.client
from dataclasses import dataclass, replace

import pytest

from handlers import signing
from service import plugins
from service.intake import Door, create_intake
from service.settings import Settings
from service.store.inbox import Inbox
from tests.deliveries import Recorded, recorded
from tests.serving import Served

SECRET = b"example-hook-secret"


def picked(kind: str, name: str) -> Recorded:
    return next(one for one in recorded(kind) if one.name == name)


PUSH = b'{"pusher": "ann", "changes": [{"ref": "refs/heads/main", "before": "0", "after": "1"}]}'
ORDER = b'{"command": "rollback", "target": "wine/production"}'
EVENT = b'{"specversion": "1.0", "id": "1", "source": "/a", "type": "b", "data": {"command": "start"}}'
# Harbor's two forms of one push, after its documentation; the second is sent with the secret alone.
_PUSHED = (
    b'{"resources": [{"digest": "sha256:0a", "tag": "v7", "resource_url": "hub.example/ml/churn:v7"}],'
    b' "repository": {"name": "churn", "namespace": "ml", "repo_full_name": "ml/churn", "repo_type": "private"}}'
)
HARBOR = (
    b'{"type": "PUSH_ARTIFACT", "occur_at": 1795415906, "operator": "ci", "event_data": ' + _PUSHED + b"}"
)
HARBOR_EVENT = (
    b'{"specversion": "1.0", "id": "4d1f", "source": "/projects/2/webhook/policies/1",'
    b' "type": "harbor.artifact.pushed", "operator": "ci", "data": ' + _PUSHED + b"}"
)
STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def signed(body: bytes, **more: str) -> Recorded:
    """In the Standard Webhooks way."""
    signature = signing.sign(SECRET, b"one.1795415906." + body)
    headers = {"webhook-id": "one", "webhook-timestamp": "1795415906", "webhook-signature": signature}
    return Recorded("signed", {**headers, **more}, body, SECRET)


def carrying(body: bytes, **more: str) -> Recorded:
    """With the secret as it is."""
    return Recorded("carrying", {"Authorization": f"Bearer {SECRET.decode()}", **more}, body, SECRET)


def alone(body: bytes) -> Recorded:
    """With the secret and no word before it."""
    return Recorded("alone", {"Authorization": SECRET.decode()}, body, SECRET)


def of_slack(body: bytes, **more: str) -> Recorded:
    """As Slack signs it, with the time."""
    mark = hmac.new(SECRET, b"v0:1795415906:" + body, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": "1795415906", "X-Slack-Signature": f"v0={mark}"}
    return Recorded("slack", {**headers, **more}, body, SECRET)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SLASH = b"channel_id=C1&command=%2Fsegue&team_id=T1&text=abort+rel-1&trigger=1&user_id=U1"
MENTION = b'{"event": {"type": "app_mention"}, "event_id": "Ev1", "team_id": "T1", "type": "event_callback"}'
GOOD = {
    "slack": ("slack", of_slack(SLASH, **FORM)),
    "slack-event": ("slack", of_slack(MENTION)),
    "bare": ("bare", signed(PUSH)),
    "hook": ("hook", signed(ORDER)),
    "cloudevents": ("cloudevents", carrying(EVENT, **STRUCTURED)),
    "cloudevents-signed": ("cloudevents", signed(EVENT, **STRUCTURED)),
    "alertmanager": ("alertmanager", carrying(b'{"version": "4", "alerts": []}')),
    "harbor": ("harbor", carrying(HARBOR)),
    "harbor-events": ("harbor", alone(HARBOR_EVENT)),
    "mlflow": ("mlflow", picked("mlflow", "model_version_alias.created")),
    "registry": ("registry", picked("registry", "001")),
    "gitea": ("gitea", picked("gitea", "031-issue_comment-created")),
    "github": ("github", picked("github", "issue_comment-command")),
    "github-form": ("github", picked("github", "push-form")),
    "gitea-org": ("gitea-org", picked("gitea", "031-issue_comment-created")),
    "github-org": ("github-org", picked("github", "issue_comment-command")),
    "gitlab-group": ("gitlab-group", picked("gitlab", "note-merge-request")),
    "gitlab": ("gitlab", picked("gitlab", "note-merge-request")),
    "gitlab-signed": ("gitlab", picked("gitlab", "note-signed")),
    "bitbucket": ("bitbucket", picked("bitbucket", "cloud-push")),
    "bitbucket-workspace": ("bitbucket-workspace", picked("bitbucket", "cloud-commit-comment")),
    "bitbucket-server": ("bitbucket", picked("bitbucket", "server-push")),
}
# Matrix takes nothing over HTTP; what proves a delivery of Mattermost stands in its body: test_chat_deliveries.py.
OTHERS = {"matrix", "mattermost"}
TIMED = ("slack", "slack-event", "bare", "hook", "cloudevents-signed", "mlflow", "gitlab-signed")
CARRIED = (
    "registry",
    "alertmanager",
    "cloudevents",
    "harbor",
    "harbor-events",
    "gitlab",
    "gitlab-group",
)  # the secret itself is sent, and nothing of the body is signed
PROVES = ("signature", "authorization", "token")


def proofs(one: Recorded) -> list[str]:
    return [name for name in one.headers if any(word in name.lower() for word in PROVES)]


def with_proofs(one: Recorded, change) -> Recorded:
    changed = {name: change(one.headers[name]) for name in proofs(one)}
    return replace(one, headers={**one.headers, **changed})


def without(one: Recorded, word: str) -> Recorded:
    return replace(one, headers={k: v for k, v in one.headers.items() if word not in k.lower()})


@dataclass(frozen=True)
class Forgery:
    source: str
    sent: Recorded
    late: float = 0.0


def forgeries() -> dict[str, Forgery]:
    """For every sender the same ways to lie, where they are any."""
    found: dict[str, Forgery] = {}
    for source, (_, one) in GOOD.items():
        changes = {
            "unsigned": replace(one, headers={k: v for k, v in one.headers.items() if k not in proofs(one)}),
            "empty": with_proofs(one, lambda _: ""),
            "guessed": with_proofs(one, lambda value: value[:-6] + "AAAAA="),
            "cut": with_proofs(one, lambda value: value[:-1]),
            "longer": with_proofs(one, lambda value: value + "0"),
            "no ASCII": with_proofs(one, lambda value: value[:-1] + "\xe9"),
            "another scheme": with_proofs(one, lambda value: "v9," + value),
            "long": with_proofs(one, lambda _: "a" * 2000),
        }
        if source not in CARRIED:
            changes |= {
                "a changed body": replace(one, body=one.body.replace(b"a", b"b", 1)),
                "a longer body": replace(one, body=one.body + b"\n"),
                "no body": replace(one, body=b""),
                "the proof of another body": with_proofs(one, lambda _: signing.sign(SECRET, b"other")),
            }
        if source not in CARRIED:
            for word in ("-id", "uuid", "delivery"):
                if without(one, word) != one:
                    changes["no id"] = without(without(without(one, "-id"), "uuid"), "delivery")
        found |= {f"{source}: {name}": Forgery(source, sent) for name, sent in changes.items()}
        if source in TIMED:
            found[f"{source}: a late replay"] = Forgery(source, one, 901.0)
            found[f"{source}: out of the future"] = Forgery(source, one, -901.0)
        found[f"{source}: for a source that is not there"] = Forgery("nobody", one)
        found[f"{source}: for a source without a secret"] = Forgery(f"{source}-bare", one)
    return found


FORGERIES = forgeries()


class World:
    def __init__(self, folder):
        settings = Settings(home=folder)
        self.inbox, self.now = Inbox.open(settings.store_url("inbox")), 0.0
        doors = {source: Door(kind, (one.secret,)) for source, (kind, one) in GOOD.items()}
        doors |= {f"{source}-bare": Door(kind, ()) for source, (kind, _) in GOOD.items()}
        app = create_intake(settings, self.inbox, doors.get, {}.get, lambda: self.now)
        self.server = Served(app)

    def send(self, source: str, one: Recorded, late: float = 0.0):
        self.now = one.sent + late
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        names = {k: v for k, v in one.headers.items() if k not in {"Host", "Content-Length", "Connection"}}
        connection.request("POST", f"/hooks/{source}", one.body, names)
        answer = connection.getresponse()
        told = {k: v for k, v in answer.getheaders() if k != "Date"}
        body = answer.read()
        connection.close()
        return answer.status, told, body

    def end(self):
        self.server.end()
        self.inbox.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("home"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def refusal(world):
    answer = world.send("nobody", Recorded("nothing", {}, b"{}", b""))
    assert answer[0] == 401
    return answer


def test_there_are_enough_of_them_and_of_every_kind_of_sender():
    assert {kind for kind, _ in GOOD.values()} == set(plugins.names("event_sources")) - OTHERS
    print(f"{len(FORGERIES)} forgeries over {len(GOOD)} senders")
    assert len(FORGERIES) >= 60


@pytest.mark.parametrize("name", FORGERIES)
def test_every_forgery_gets_the_one_answer_and_is_not_stored(world, refusal, name):
    forgery = FORGERIES[name]
    before = world.inbox.newest()
    assert world.send(forgery.source, forgery.sent, forgery.late) == refusal
    assert world.inbox.newest() == before


@pytest.mark.parametrize("source", GOOD)
def test_what_they_imitate_is_stored_without_any_login(world, source):
    _, one = GOOD[source]
    status, _, _ = world.send(source, one)
    assert status == (200 if source.startswith("slack") else 202)
    kept = world.inbox.get(world.inbox.newest())
    assert kept is not None
    assert kept.body == one.body
    if source in CARRIED:
        assert one.secret.decode() not in repr(kept.headers)
