"""Addresses of repositories at hosts: what is one, and that nothing else gets through."""

import pytest

from service.adapters.hosts.address import Address, parse
from service.adapters.hosts.bitbucket_server import server_address
from service.ports.outcomes import Refused

GOOD = {
    "https://git.example/acme/models": ("https://git.example", "acme/models"),
    "https://git.example/acme/models/": ("https://git.example", "acme/models"),
    "https://git.example/acme/models.git": ("https://git.example", "acme/models"),
    "http://127.0.0.1:3000/acme/m.o-d_e": ("http://127.0.0.1:3000", "acme/m.o-d_e"),
    "https://[::1]:3000/acme/models": ("https://[::1]:3000", "acme/models"),
}
BAD = (
    "", "git.example/acme/models", "https://git.example", "https://git.example/acme", "https:///acme/models",
    "file:///srv/git/models.git", "/srv/git/models.git", "ssh://git@git.example/acme/models", "git@git.example:acme/models",
    "ext::sh -c id", "ftp://git.example/acme/models", "https://git.example/acme/models?x=1", "https://git.example/acme/models#x",
    "https://git.example/acme/mod els", "https://git.example/acme/..", "https://git.example/../models", "https://git.example/.git/x",
    "https://git.example/acme/%2e%2e", "https://git.example/acme//models", "https://git.example:0/acme/models",
    "https://git.example:99999/acme/models", "https://git.example:x/acme/models", "https://exa mple/acme/models",
    "https://-oProxyCommand=x/acme/models", "https://git.example\\@evil/acme/models", "https://git.example\n/acme/mo\ndels",
    "https://ünï.example/acme/models", "https://git.example/acme/mödels", "https://git.example/a/" + "m" * 101, "https://[::1/acme/models",
    "https://git_.example/acme/models", "https://git.example/acme/models;x", "-https://git.example/acme/models",
)  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_an_address_of_a_repository_is_host_and_path(url):
    assert parse(url) == Address(*GOOD[url])
    assert parse(url).git.endswith(f"/{GOOD[url][1]}.git")


@pytest.mark.parametrize("url", BAD)
@pytest.mark.parametrize("form", [{}, {"groups": True}, {"below": True}])
def test_anything_else_is_refused_with_what_to_write(url, form):
    with pytest.raises(Refused, match="no repository's address"):
        parse(url, **form)


@pytest.mark.parametrize(
    "url", ["https://ann:s3cret@git.example/acme/models", "https://s3cret@git.example/acme/models"]
)
def test_a_login_in_the_address_is_refused_and_not_repeated(url):
    with pytest.raises(Refused, match=r"leave the login out of https://git\.example") as told:
        parse(url)
    assert "s3cret" not in str(told.value)


def test_groups_within_groups_and_hosts_in_a_folder_are_told_apart_by_kind():
    url = "https://git.example/a/b/c"
    assert parse(url, groups=True) == Address("https://git.example", "a/b/c")
    assert parse(url, below=True) == Address("https://git.example/a", "b/c")
    with pytest.raises(Refused):
        parse(url)


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("https://git.example/scm/ML/models.git", "https://git.example", "ML/models"),
        (
            "https://git.example:7990/bitbucket/scm/ml/models",
            "https://git.example:7990/bitbucket",
            "ml/models",
        ),
        ("https://git.example/scm/~ann/models.git", "https://git.example", "~ann/models"),
        ("https://git.example/scm/scm/scm", "https://git.example", "scm/scm"),
    ],
)
def test_what_git_clones_of_a_data_center_says_server_project_and_repository(url, base, path):
    found = server_address(url)
    project, name = path.split("/")
    assert (found.base, found.path) == (base, path)
    assert found.git == f"{base}/scm/{path}.git"
    assert found.page == f"{base}/projects/{project}/repos/{name}"


def test_other_addresses_are_no_data_centers_and_what_is_none_is_refused():
    for url in (
        "https://bitbucket.org/acme/models",
        "https://git.example/scm/models",
        "https://git.example/a/b/c/d",
    ):
        assert server_address(url) is None
    for url in (*BAD, "https://git.example/scm/~/models", "https://git.example/scm/~../models"):
        with pytest.raises(Refused):
            server_address(url)
