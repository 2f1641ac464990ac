"""`segue up` asks each process where it listens, whatever SEGUE_HOST says."""

import pytest

from service import installation, up
from service.probe import open_probe
from service.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_process_with_a_small_port_is_asked_there(tmp_path, host):
    settings = Settings(home=tmp_path, host=host)
    installation.make_folders(tmp_path)
    assert not up.ready(settings, "observer")
    installation.write_down(tmp_path, "observer", open_probe(lambda: True))
    assert up.ready(settings, "observer")
