"""Settings come from the environment once, and go to a child process as they are."""

from dataclasses import fields
from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, environ_of, read

OTHER = Settings(
    home=Path("/srv/segue"),
    database="postgresql://segue@/segue",
    broker="redis://localhost",
    host="0.0.0.0",  # noqa: S104
    intake_port=1,
    web_port=2,
    router_port=3,
    scrape_seconds=0.5,
    sweep_seconds=7.0,
    body_bytes=99,
    keep_days=3.5,
    allow_unsigned=True,
    images="https://registry.example/models",
    git_roots=(Path("/srv/git"), Path("/home/git")),
)


def test_a_child_process_reads_the_same_settings_whatever_they_are():
    default = Settings(home=Path("/srv/segue"))
    assert read(environ_of(default)) == default
    assert read(environ_of(OTHER)) == OTHER
    same = [
        field.name for field in fields(Settings) if getattr(default, field.name) == getattr(OTHER, field.name)
    ]
    assert same == ["home"], "each setting must differ here, or it is not tested"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many", "1e9"])
def test_days_that_are_no_days_are_refused_with_the_name_of_the_setting(text):
    with pytest.raises(SettingsError, match="SEGUE_KEEP_DAYS is"):
        read({"SEGUE_KEEP_DAYS": text})
