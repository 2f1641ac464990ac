"""Which kind of source an address means: a repository, or all repositories of an organisation."""

import click
import pytest

from service.cli.connecting import _kind_of

GIT = "https://git.example"


@pytest.mark.parametrize(
    ("kind", "url", "organisation", "wanted"),
    [
        ("github", "https://github.com/acme", False, "github-org"),
        ("github", "https://github.com/acme/", False, "github-org"),
        ("github", "https://github.com/acme/models", False, "github"),
        ("gitea", f"{GIT}/acme", False, "gitea-org"),
        ("gitea", f"{GIT}/code/acme", True, "gitea-org"),
        ("gitlab", f"{GIT}/acme/ml", False, "gitlab"),
        ("gitlab", f"{GIT}/acme/ml", True, "gitlab-group"),
        ("bitbucket", "https://bitbucket.org/acme", False, "bitbucket"),
        ("git", "/srv/models.git", False, "bare"),
        ("mlflow", "http://127.0.0.1:5000", False, "mlflow"),
    ],
)
def test_an_address_of_one_part_is_an_organisations_and_a_longer_one_where_it_is_said(
    kind, url, organisation, wanted
):
    assert _kind_of(kind, url, organisation=organisation) == wanted


def test_what_has_no_organisations_says_what_has():
    with pytest.raises(click.UsageError, match="gitea, github, gitlab; connect each repository of bitbucket"):
        _kind_of("bitbucket", "https://bitbucket.org/acme", organisation=True)
