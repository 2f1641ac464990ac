"""An installation's own small files."""

import socket
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
    with installation.chosen_ports(settings) as chosen:
        ports = {chosen.intake_port, chosen.web_port, chosen.router_port}
        assert len(ports) == 3
        assert 0 not in ports
    with installation.chosen_ports(settings) as again:
        assert again == chosen == installation.with_ports(settings)


def test_two_that_start_at_once_choose_different_ports_though_nobody_listens_yet(tmp_path):
    wanted = installation.free_port("127.0.0.1")
    homes = [Settings(home=tmp_path / name, intake_port=wanted, web_port=0, router_port=0) for name in "ab"]
    for one in homes:
        installation.make_folders(one.home)
    with installation.chosen_ports(homes[0]) as first, installation.chosen_ports(homes[1]) as second:
        ports = [getattr(one, name) for one in (first, second) for name in installation.PORTS]
    assert first.intake_port == wanted
    assert len(set(ports)) == 6


def test_a_recorded_port_that_another_one_has_taken_is_chosen_anew(tmp_path):
    settings = Settings(home=tmp_path, intake_port=0, web_port=0, router_port=0)
    installation.make_folders(tmp_path)
    with installation.chosen_ports(settings) as before:
        pass
    with socket.create_server(("127.0.0.1", before.web_port)), installation.chosen_ports(settings) as after:
        assert after.web_port != before.web_port
        assert after.router_port == before.router_port
