"""An installation's own small files."""

from dataclasses import replace

import pytest

from service.errors import StartError
from service.machine import installation
from service.settings import Settings


def test_a_shell_that_names_another_database_is_told_so_and_not_its_url(tmp_path):
    settings = Settings(home=tmp_path, database="postgresql://segue:hunter2@db/segue")
    installation.make_folders(tmp_path)
    installation.check_store(settings)  # never started: nothing to differ from
    installation.remember_store(settings)
    installation.check_store(settings)
    assert "hunter2" not in (tmp_path / "run" / "store.json").read_text()
    with pytest.raises(StartError, match="set SEGUE_DATABASE as for"):
        installation.check_store(replace(settings, database=None))


def test_ports_are_chosen_once(tmp_path):
    settings = Settings(home=tmp_path, intake_port=0, web_port=0, router_port=0)
    installation.make_folders(tmp_path)
    chosen = installation.choose_ports(settings)
    ports = {chosen.intake_port, chosen.web_port, chosen.router_port}
    assert len(ports) == 3
    assert 0 not in ports
    assert installation.choose_ports(settings) == chosen == installation.with_ports(settings)
