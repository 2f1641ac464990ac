"""Several models in one repository: each is released for its own changes, and for none of the others'."""

import pytest

FILE = """\
defaults: {build: {lock: requirements.lock}, serve: {run: python serve.py, port: 8080}}
models:
  churn: {}
  fraud: {"on": {paths: [fraud/**, lib/**]}}
"""
BROKEN = FILE + "  ltv: {servce: 1}\n"


@pytest.fixture
def repository(world):
    files = {
        f"{name}/{file}": "1" for name in ("churn", "fraud") for file in ("serve.py", "requirements.lock")
    }
    world.push({"segue.yaml": FILE, **files}, told=False)
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert models(world) == ["churn", "fraud"]
    return world


def models(world):
    return sorted(release.model for release in world.releases())


def new(world):
    """The models released since the first push."""
    return sorted(release.model for release in world.releases()[2:])


@pytest.mark.parametrize(
    ("path", "released"),
    [
        ("churn/serve.py", ["churn"]),
        ("fraud/deep/data.py", ["fraud"]),
        ("lib/shared.py", ["fraud"]),
        ("README.md", []),
    ],
)
def test_a_push_releases_only_the_models_that_it_concerns(repository, path, released):
    repository.push({path: "2"})
    repository.settle()
    assert new(repository) == released


def test_several_pushes_that_one_look_sees_are_compared_with_what_was_seen_before(repository):
    repository.push({"churn/serve.py": "2"}, told=False)
    repository.push({"README.md": "2"})
    repository.settle()
    assert new(repository) == ["churn"]


def test_what_was_pushed_while_the_file_was_broken_is_released_once_it_is_repaired(repository):
    repository.push({"segue.yaml": BROKEN, "churn/serve.py": "2"})
    repository.settle()
    repository.push({"README.md": "2"})
    repository.settle()
    assert new(repository) == []
    repository.push({"segue.yaml": FILE})
    repository.settle()
    assert new(repository) == ["churn"]


def test_a_repaired_file_whose_push_is_taken_up_again_loses_nothing(repository):
    repository.push({"segue.yaml": BROKEN, "churn/serve.py": "2"})
    repository.settle()
    commit = repository.push({"segue.yaml": FILE}, told=False)
    with repository.store.change() as change:  # as after a kill behind the reading of the declarations
        for row in change.models("git"):
            change.save_model(type(row)(row.name, row.source, row.folder, commit, row.declaration))
    repository.clock.now += repository.settings.sweep_seconds
    repository.settle()
    assert "churn" in new(repository)


def test_a_changed_declaration_alone_releases_nothing(repository):
    repository.push({"segue.yaml": FILE.replace("8080", "8081")})
    repository.settle()
    assert new(repository) == []
