"""The whole installation, as `segue up` starts it: with and without a broker, and on PostgreSQL."""

import pytest

from service.demo.traffic import Traffic, request_of
from tests.installation import TARGET, Installation


@pytest.fixture(
    params=["broker", "no broker", pytest.param("postgres", marks=pytest.mark.postgres)],
)
def installed(request, tmp_path):
    options = ["--broker", "none"] if request.param == "no broker" else []
    environ = {}
    if request.param == "postgres":
        environ["SEGUE_DATABASE"] = request.getfixturevalue("postgres").new_database()
    made = Installation(tmp_path / "segue", *options, **environ).start()
    try:
        made.connect()
        yield made
    finally:
        made.end()


@pytest.mark.timeout(240)
def test_pushes_travel_to_shifted_traffic_or_are_stopped_on_their_way(installed):
    first = installed.release_of(installed.push(1))
    assert (first["phase"], first["proven"]) == ("promoted", False)
    users = Traffic(request_of(TARGET, installed.router(), "predict", {}), rate=60)
    users.start()
    good = installed.release_of(installed.push(2))
    assert (good["phase"], good["proven"]) == ("promoted", True)
    refused = installed.release_of(installed.push(3, quality=0.1))
    assert (refused["phase"], refused["peak"]) == ("refused", 0)
    bad = installed.release_of(installed.push(4, status=500))
    assert bad["phase"] == "rolled back"
    assert "errors" in bad["reason"]
    users.end()
    failed = [answer for answer in users.answers if answer.failed]
    assert {answer.version for answer in failed} == {bad["backend"]}
    assert installed.client_target()["stable"]["backend"] == good["backend"]
    answer = installed.client.command("rollback", "echo")
    assert answer["ok"], answer
    assert installed.ended(answer["release"])["phase"] == "promoted"
    assert installed.client_target()["stable"]["backend"] == first["backend"]
