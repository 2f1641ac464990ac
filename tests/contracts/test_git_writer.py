"""What everything that commits keeps: a bare repository written by git itself, and the one in memory."""

import pytest

from service import plugins
from service.adapters.memory.writing import MemoryWriter
from service.ports.outcomes import Refused
from tests.repositories import Repository

ONE, TWO = b"a: 1\n", b"a: 2\n"


@pytest.fixture(params=["memory", "bare"])
def writer(request, tmp_path):
    if request.param == "memory":
        made = MemoryWriter()
        made.start("main")
        return made
    repository = Repository(tmp_path / "git")
    repository.commit({"README": b"hello"})
    return plugins.load("git_writers", "bare").open(repository.settings, repository.source)


def test_what_is_written_is_there(writer):
    commit = writer.write("main", {"apps/a.yaml": ONE, "apps/below/b.yaml": TWO}, "add a")
    assert commit == writer.tip("main")
    assert writer.read(commit, "apps/a.yaml") == ONE
    assert writer.read(commit, "apps/nothing.yaml") is None
    assert writer.names(commit, "apps") == ("a.yaml",)
    assert writer.names(commit, "elsewhere") == ()


def test_what_was_there_before_stays(writer):
    writer.write("main", {"apps/a.yaml": ONE}, "add a")
    commit = writer.write("main", {"apps/b.yaml": TWO}, "add b")
    assert writer.read(commit, "apps/a.yaml") == ONE
    assert sorted(writer.names(commit, "/apps/")) == ["a.yaml", "b.yaml"]


def test_the_same_again_is_no_new_commit_and_names_the_one_that_did_it(writer):
    first = writer.write("main", {"apps/a.yaml": ONE}, "add a")
    other = writer.write("main", {"apps/b.yaml": TWO}, "add b")
    assert writer.write("main", {"apps/a.yaml": ONE}, "add a") == first
    assert writer.tip("main") == other


def test_what_is_removed_is_gone_and_an_older_commit_still_has_it(writer):
    first = writer.write("main", {"apps/a.yaml": ONE, "apps/b.yaml": TWO}, "add")
    gone = writer.write("main", {"apps/a.yaml": None}, "remove a")
    assert writer.names(gone, "apps") == ("b.yaml",)
    assert writer.read(first, "apps/a.yaml") == ONE
    assert writer.write("main", {"apps/a.yaml": None}, "remove a") == gone == writer.tip("main")


def test_removing_what_never_was_is_no_commit(writer):
    before = writer.tip("main")
    writer.write("main", {"apps/never.yaml": None}, "remove")
    assert writer.tip("main") == before


def test_bringing_back_what_was_removed_is_a_commit_of_its_own(writer):
    first = writer.write("main", {"a.yaml": ONE}, "add")
    writer.write("main", {"a.yaml": None}, "remove")
    again = writer.write("main", {"a.yaml": ONE}, "add")
    assert again == writer.tip("main") != first


def test_a_branch_that_is_not_there_is_never_made(writer):
    for ask in (lambda: writer.tip("mian"), lambda: writer.write("mian", {"a.yaml": ONE}, "x")):
        with pytest.raises(Refused, match=r"no branch 'mian'; its branches: main"):
            ask()


def test_the_commit_since_which_a_file_is_as_it_is(writer):
    first = writer.write("main", {"a.yaml": ONE, "b.yaml": ONE}, "both")
    second = writer.write("main", {"b.yaml": TWO}, "b")
    assert writer.since(second, ("a.yaml",)) == first
    assert writer.since(second, ("b.yaml",)) == writer.since(second, ("a.yaml", "b.yaml")) == second
    assert writer.since(first, ("b.yaml",)) == first
    assert writer.since(second, ("never.yaml",)) == second
