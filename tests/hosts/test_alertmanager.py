"""The whole of Segue beside a real Alertmanager: what fires there holds a release, or takes it back."""

import pytest

from service.demo.place import segue
from service.machine.installation import place
from tests.hosts.alerting import Alertmanager
from tests.installation import TARGET, Installation
from tests.running import wait_until

LOGINS = {
    "bearer": lambda path: {"authorization": {"credentials_file": str(path)}},
    "basic": lambda path: {"basic_auth": {"username": "segue", "password_file": str(path)}},
}


@pytest.fixture
def installed(tmp_path):
    made = Installation(tmp_path / "segue", "--broker", "none")
    try:
        made.start()
        made.connect()
        yield made
    finally:
        made.end()


def rollout(made):
    """A second version that takes traffic, and waits for requests that do not come; its release."""
    assert made.release_of(made.push(1))["phase"] == "promoted"
    commit = made.push(2)
    wait_until(lambda: [r for r in made.releases(commit) if r["phase"] == "shifting"], 60)
    return made.releases(commit)[0]["name"]


def shown(made, name):
    return made.client.release(name)


@pytest.mark.parametrize("login", LOGINS)
def test_an_alert_holds_a_release_once_and_another_takes_it_back(installed, tmp_path, login):
    made = installed
    segue(made.place, "connect", "alertmanager", "--name", "alerts", "--owns", "echo/*")
    name = rollout(made)
    secret = made.place.home / "secrets" / "hook-alerts"
    hook = f"{place(made.settings).intake}/hooks/alerts"
    alertmanager = Alertmanager(tmp_path / "alertmanager", hook, LOGINS[login](secret))
    try:
        alertmanager.start()
        alertmanager.alert(alertname="Churn", segue_target=TARGET)
        wait_until(lambda: shown(made, name)["release"]["paused"], 30)
        segue(made.place, "resume", name)

        # It is told again and again while it fires, and once more when it has ended.
        known = len(made.client.events(source="alerts").page().rows)
        alertmanager.alert(alertname="Churn", segue_target=TARGET, pod="another")
        alertmanager.resolve(alertname="Churn", segue_target=TARGET)
        wait_until(lambda: len(made.client.events(source="alerts").page().rows) > known + 1, 30)
        wait_until(lambda: shown(made, name)["release"]["paused"], 30)  # by the other alert, of another pod

        alertmanager.alert(alertname="Refunds", segue_target=TARGET, segue_action="rollback")
        ended = made.ended(name, 60)
        assert ended["phase"] == "aborted"
        commands = [one for one in shown(made, name)["record"] if one["action"] == "command"]
        told = [(one["actor"], one["detail"]["verb"], one["detail"]["reason"]) for one in commands]
        assert told == [
            ("alerts", "pause", "alert Churn fires: customers complain"),
            ("operator", "resume", ""),
            ("alerts", "pause", "alert Churn fires: customers complain"),
            ("alerts", "rollback", "alert Refunds fires: customers complain"),
        ]
        assert made.client.events(only_failed=True).page().rows == []
        assert made.client_target()["stable"]["release"] != name
    finally:
        alertmanager.stop()
