"""The file of connected sources."""

from pathlib import Path

import pytest

from service import sources
from service.arrivals import connecting
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings


def test_sources_come_back_as_they_were_saved(tmp_path):
    wanted = (Source("repo", "bare", "/srv/repo.git", ("*/staging",)), Source("models", "mlflow", "http://m"))
    sources.save(tmp_path, wanted[:1])
    sources.save(tmp_path, wanted)
    assert sources.load(tmp_path) == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["sources.json"]


def test_no_file_means_no_sources(tmp_path):
    assert sources.load(tmp_path) == ()


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(
        Refused,
        match="known kinds: bare, bitbucket, bitbucket-workspace, csv, email, gitea, gitea-org, github",
    ):
        sources.opened(Settings(home=tmp_path), Source("x", "svn", "http://x"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "registry",
            "a registry that sends notifications may tell http://a/hooks/r with `Authorization: Bearer <",
        ),
        ("harbor", "a webhook of a project may tell http://a/hooks/r with the auth header `Bearer <"),
    ],
)
def test_who_connects_a_registry_is_told_in_its_own_words_how_it_may_tell(kind, said):
    told = connecting._hook(
        Source("r", kind, "https://registry.example"),
        None,
        "http://a/hooks/r",
        b"hidden",
        Path("/home/ann/secrets/hook-r"),
    )
    assert said in told
    assert "hidden" not in told
