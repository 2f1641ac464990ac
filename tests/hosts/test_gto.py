"""The real GTO makes the tags: Segue reads them as it does, and releases what they assign."""

import json
import time

import pytest

from policies import gto
from tests.hosts import senders
from tests.installation import Installation
from tests.repositories import git
from tests.running import wait_until

SECONDS = 150
APART = 1.1  # its tags are told apart by whole seconds
ON_TAGS = "on: {gto: [production]}\nenvironments: {production: {}}\n"


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    git("init", "--quiet", "-b", "main", cwd=folder)
    return folder


def committed(folder):
    git("commit", "--quiet", "--allow-empty", "-m", "x", cwd=folder)


def assigned(folder):
    """The version that holds `prod` by GTO's own account; None for nobody."""
    shown = json.loads(senders.gto(folder, "show", "--json"))
    return shown.get("churn", {}).get("stage", {}).get("prod")


def held(folder):
    """The same by ours."""
    listed = git(
        "for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags", cwd=folder
    )
    tags = {line.split()[0]: line.split()[-1] for line in listed.decode().splitlines()}
    found = gto.held(tags, "churn", "prod")
    return found and found.version


# What is done, who holds the stage then by GTO, and by us: where something was taken back GTO goes on with what was
# assigned before, also once a deprecated model has a new version; and Segue, for which a tag is an event, with nothing.
STEPS = (
    ("register churn --version v1.0.0", None, None),
    ("assign churn --stage prod --version v1.0.0", "v1.0.0", "v1.0.0"),
    ("register churn --version v1.1.0", "v1.0.0", "v1.0.0"),
    ("assign churn --stage prod --version v1.1.0", "v1.1.0", "v1.1.0"),
    ("deprecate churn v1.1.0", "v1.0.0", None),
    ("register churn --version v1.2.0", "v1.0.0", None),
    ("assign churn --stage prod --version v1.2.0", "v1.2.0", "v1.2.0"),
    ("deprecate churn v1.2.0 prod", "v1.0.0", None),
    ("assign churn --stage prod --version v1.2.0", "v1.2.0", "v1.2.0"),
    ("deprecate churn", None, None),
    ("register churn --version v2.0.0 --simple false", "v1.2.0", None),
    ("assign churn --stage prod --version v2.0.0", "v2.0.0", "v2.0.0"),
    ("assign churn --stage dev --version v2.0.0", "v2.0.0", "v2.0.0"),
)


def test_who_holds_a_stage_is_read_as_gto_means_it(repository):
    committed(repository)
    for step, theirs, ours in STEPS:
        if step.startswith("register"):
            committed(repository)
        time.sleep(APART)
        senders.gto(repository, *step.split())
        assert (assigned(repository), held(repository)) == (theirs, ours), step


@pytest.mark.timeout(600)
def test_an_assignment_of_gto_releases_its_commit_and_what_is_taken_back_starts_nothing(tmp_path):
    senders.program("gto")
    here = Installation(tmp_path / "segue").start()
    work = here.place.work
    try:
        here.connect()
        first, second = (here.push(number, more=ON_TAGS) for number in (1, 2))
        senders.gto(work, "register", "echo", first, "--version", "v1.0.0")
        senders.gto(work, "register", "echo", second, "--version", "v1.1.0")
        senders.gto(work, "assign", "echo", "--version", "v1.0.0", "--stage", "production")
        git("push", "--quiet", "origin", "--tags", cwd=work)
        release = here.release_of(first, SECONDS)
        assert release["phase"] == "promoted"
        assert release["cause"] == "echo#production#1 assigns production to v1.0.0"

        senders.gto(work, "assign", "echo", "--version", "v1.1.0", "--stage", "production")
        senders.gto(work, "deprecate", "echo", "v1.1.0")
        git("push", "--quiet", "origin", "--tags", cwd=work)
        told = len(here.client.events().page().rows)
        third = here.push(3, more=ON_TAGS)
        senders.gto(work, "register", "echo", third, "--version", "v1.2.0")
        senders.gto(work, "assign", "echo", "--version", "v1.2.0", "--stage", "production")
        git("push", "--quiet", "origin", "--tags", cwd=work)
        wait_until(lambda: here.releases(third), SECONDS)
        assert len(here.client.events().page().rows) > told
        assert here.releases(second) == [], "its version was taken back before anybody saw the assignment"
        assert len(here.client.releases().page().rows) == 2
    finally:
        here.end()
