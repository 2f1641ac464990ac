"""Names of sources: part of an address, of a file's name, and of what arrives under them."""

import pytest

from service.arrivals import connecting
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings


@pytest.mark.parametrize("name", ["people", "inbox", "sweep", "archive", "openlineage"])
def test_a_name_under_which_segue_keeps_its_own_is_refused(name, tmp_path):
    source = Source(name, "bare", f"/srv/git/{name}.git")
    with pytest.raises(Refused, match="Segue's own"):
        connecting.connect(Settings(home=tmp_path), None, source, "http://127.0.0.1:9")


@pytest.mark.parametrize("name", ["", "../token", "a/b", ".hidden", "a b", "x" * 65, "caf\n"])
def test_a_name_that_fits_no_address_or_file_is_refused_with_what_would(name):
    with pytest.raises(Refused, match="no name for a source"):
        connecting.check_name(name)


@pytest.mark.parametrize("name", ["git", "mlflow-2", "team_a-models", "127-0-0-1"])
def test_other_names_are_fine(name):
    connecting.check_name(name)


def test_one_address_is_one_source_with_and_without_a_slash_at_its_end(tmp_path):
    class Known:
        def sources(self):
            return [Source("ghcr", "registry", "https://ghcr.io")]

    again = Source("other", "registry", "https://ghcr.io/")
    with pytest.raises(Refused, match="is connected as ghcr already"):
        connecting.connect(Settings(home=tmp_path), Known(), again, "http://127.0.0.1:9")
