"""`segue doctor` says where others could read along, and is content where nobody can."""

import pytest

from service.cli import doctor, exposed
from service.settings import read


def amiss(**told):
    given = {f"SEGUE_{name.upper()}": value for name, value in told.items()}
    return {one.check: f"{one.detail} {one.mend}" for one in exposed.examine(read(given)) if not one.ok}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"host": "127.0.0.2"},
        {"host": "::1"},
        {"web_url": "https://segue.example"},
        {"host": "0.0.0.0", "web_url": "https://segue.example"},  # noqa: S104
        {"host": "0.0.0.0", "web_url": "http://segue.ops.svc:8471"},  # noqa: S104  as the chart has it
        {"database": "postgresql://segue@/segue?host=/run/postgresql"},
        {"database": "postgresql://segue@127.0.0.1/segue"},
        {"database": "postgresql://segue:x@db.example/segue?sslmode=verify-full"},
        {"broker": "rediss://:x@redis.example:6379/0"},
        {"broker": "amqps://u:x@mq.example//"},
        {"broker": "redis://localhost"},
        {"broker": "redis://valkey.ops.svc.cluster.local/0"},
        {"broker": "redis+socket:///run/valkey.sock"},
    ],
)
def test_nothing_is_said_where_nobody_sits_in_between_or_can_read_nothing(told):
    assert amiss(**told) == {}


@pytest.mark.parametrize(
    ("told", "check", "where", "write"),
    [
        ({"host": "0.0.0.0"}, "page", "0.0.0.0", "SEGUE_WEB_URL"),  # noqa: S104
        ({"host": "192.0.2.7"}, "page", "192.0.2.7", "SEGUE_WEB_URL"),
        ({"web_url": "http://segue.example:8471"}, "page", "segue.example", "SEGUE_WEB_URL"),
        ({"host": "::", "web_url": "http://localhost:8471"}, "page", "to ::", "SEGUE_WEB_URL"),
        ({"database": "postgresql://segue:x@db.example/segue"}, "database", "db.example", "verify-full"),
        (
            {"database": "postgresql://segue:x@db.example/segue?sslmode=disable"},
            "database",
            "db.example",
            "verify-full",
        ),
        ({"broker": "redis://:x@redis.example/0"}, "broker", "redis.example", "rediss://"),
        ({"broker": "amqp://u:x@mq.example//"}, "broker", "mq.example", "amqps://"),
    ],
)
def test_whoever_could_read_along_is_told_of_with_what_to_write_and_without_the_password(
    told, check, where, write
):
    (found,) = amiss(**told).items()
    assert found[0] == check
    assert where in found[1]
    assert write in found[1]
    assert ":x@" not in found[1]


def test_the_doctor_looks_at_it(tmp_path):
    found = doctor.examine(read({"SEGUE_HOME": str(tmp_path), "SEGUE_HOST": "192.0.2.7"}))
    assert [one.ok for one in found if one.check == "page"] == [False]
