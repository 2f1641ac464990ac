"""Real servers, built or started once for the run. `make test-hosts` names this folder; `make test` does not."""

import pytest

from tests.hosts import building
from tests.hosts.gitea import Gitea


@pytest.fixture(scope="session")
def gitea(tmp_path_factory):
    """A real Gitea, shared by the run: use repositories of your own."""
    server = Gitea(building.gitea(), tmp_path_factory.mktemp("gitea"))
    try:
        yield server.start()
    finally:
        server.stop()
