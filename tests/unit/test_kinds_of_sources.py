"""Which kind of source an address means: a repository, or all repositories of an organisation."""

import pytest

from service import segue_yaml
from service.arrivals.asking_to_connect import Asked, Misfit, source_of
from service.cli.doctor import _rooms
from service.ports.connections import Source

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
        ("bitbucket", "https://bitbucket.org/acme", False, "bitbucket-workspace"),
        ("bitbucket", "https://bitbucket.org/acme/models", False, "bitbucket"),
        ("git", "/srv/models.git", False, "bare"),
        ("mlflow", "http://127.0.0.1:5000", False, "mlflow"),
    ],
)
def test_an_address_of_one_part_is_an_organisations_and_a_longer_one_where_it_is_said(
    kind, url, organisation, wanted
):
    assert source_of(Asked(kind, url, organisation=organisation)).kind == wanted


def test_what_has_no_organisations_says_what_has():
    with pytest.raises(Misfit, match="gitea, github, gitlab; connect each repository of git"):
        source_of(Asked("git", "/srv/models.git", organisation=True))


@pytest.mark.parametrize(
    ("shown", "cloned"),
    [
        ("/projects/ML/repos/wine", "/scm/ML/wine.git"),
        ("/projects/ML/repos/wine/browse", "/scm/ML/wine.git"),
        ("/folder/projects/ML/repos/wine/", "/folder/scm/ML/wine.git"),
        ("/users/ann/repos/wine", "/scm/~ann/wine.git"),
        ("/scm/ML/wine.git", "/scm/ML/wine.git"),
        ("/acme/wine", "/acme/wine"),
    ],
)
def test_a_repository_at_a_data_center_is_one_source_by_its_page_and_by_what_git_clones(shown, cloned):
    source = source_of(Asked("bitbucket", GIT + shown))
    assert (source.name, source.url) == ("wine", GIT + cloned)
    assert source_of(Asked("gitea", GIT + shown, "wine")).url == GIT + shown


ASKED = b'approvals: {count: 1, from: ann, in: "slack:#ml"}\n'


@pytest.mark.parametrize("rule", [ASKED, b'tell: "slack:#ml"\n', ASKED + b'tell: ["slack:#ml"]\n'])
@pytest.mark.parametrize(
    ("connected", "missing"), [((), ["room slack:#ml"]), (("git",), ["room slack:#ml"]), (("slack",), [])]
)
def test_doctor_names_a_room_whose_chat_is_not_connected(connected, missing, rule):
    text = b"name: a\nmodel: models:/a@b\nserve: none\n" + rule
    kinds = {"git": "bare", "slack": "slack"}
    known = [Source(name, kinds[name], "x") for name in connected]
    found = _rooms(known, list(segue_yaml.check(text, "").models))
    assert [(one.check, one.ok) for one in found] == [(name, False) for name in missing]


def test_a_chat_is_named_by_its_kind_and_slack_needs_no_address():
    assert source_of(Asked("slack")) == Source("slack", "slack", "https://slack.com", ())
    assert source_of(Asked("matrix", GIT)).name == "matrix"
    with pytest.raises(Misfit, match="URL"):
        source_of(Asked("mattermost"))
