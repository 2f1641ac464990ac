"""What only a real repository shows: races with people's pushes, what git says of the commits, damage."""

import threading

import pytest

from service.adapters.bare_writing import BareWriter
from service.ports.outcomes import Refused, Retry
from tests.repositories import Repository, git, push


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "git", "manifests.git")
    made.commit({"README": b"hello"})
    return made


@pytest.fixture
def writer(repository):
    return BareWriter.open(repository.settings, repository.source)


def log(repository, form):
    return repository.git("log", f"--format={form}", "main").decode().splitlines()


def test_the_commit_says_who_and_why(repository, writer):
    writer.write("main", {"apps/a.yaml": b"a"}, "Start a\n\ntarget: wine/production\nimage: x@sha256:0")
    assert log(repository, "%an <%ae>")[0] == "Segue <segue@localhost>"
    said = repository.git("log", "-1", "--format=%B", "main").decode()
    assert said == "Start a\n\ntarget: wine/production\nimage: x@sha256:0"
    assert repository.git("fsck", "--strict") == b""
    assert repository.git("for-each-ref", "--format=%(refname)") == b"refs/heads/main"


def test_a_message_of_any_text_is_no_command(repository, writer):
    writer.write("main", {"a.yaml": b"a"}, "x\ndone\nreset refs/heads/main\n\udcff\n")
    assert repository.git("show", "main:a.yaml") == b"a"


def test_content_of_any_bytes_is_what_is_read_again(repository, writer):
    content = bytes(range(256)) + b"\ndone\nD apps\n"
    commit = writer.write("main", {"apps/a.yaml": content}, "x")
    assert writer.read(commit, "apps/a.yaml") == content


def test_a_person_clones_pulls_and_pushes_between_our_commits(repository, writer):
    clone = repository.clone("work")
    writer.write("main", {"apps/a.yaml": b"1"}, "ours")
    git("pull", "--quiet", "--rebase", cwd=clone)
    push(clone, {"apps/theirs.yaml": b"theirs"})
    commit = writer.write("main", {"apps/a.yaml": b"2"}, "ours again")
    assert sorted(writer.names(commit, "apps")) == ["a.yaml", "theirs.yaml"]
    assert log(repository, "%an") == ["Segue", "ann", "Segue", "ann"]


def test_a_push_between_our_look_and_our_write_is_built_on(repository, writer, monkeypatch):
    """Somebody pushes after the tip was read: git refuses our commit, and it is made anew on theirs."""
    real, raced = BareWriter._run, []

    def racing(self, *words, data=b""):
        if words[0] == "update-ref" and len(raced) < 3:
            raced.append(repository.commit({f"theirs-{len(raced)}": b"x"}))
        return real(self, *words, data=data)

    monkeypatch.setattr(BareWriter, "_run", racing)
    commit = writer.write("main", {"apps/a.yaml": b"a"}, "ours")
    assert log(repository, "%an") == ["Segue", "ann", "ann", "ann", "ann"]
    assert {"theirs-0", "theirs-1", "theirs-2", "README"} == set(writer.names(commit, ""))


def test_a_forced_push_is_built_on_too(repository, writer, monkeypatch):
    real, raced = BareWriter._run, []
    writer.write("main", {"apps/lost.yaml": b"x"}, "to be pushed over")
    first = log(repository, "%H")[-1]

    def racing(self, *words, data=b""):
        if words[0] == "update-ref" and not raced:
            raced.append(repository.git("update-ref", "refs/heads/main", first))
        return real(self, *words, data=data)

    monkeypatch.setattr(BareWriter, "_run", racing)
    commit = writer.write("main", {"apps/a.yaml": b"a"}, "ours")
    assert writer.names(commit, "apps") == ("a.yaml",)


def test_many_writers_and_people_at_once_lose_no_commit(repository, writer):
    failed = []

    def ours(number):
        try:
            BareWriter.open(repository.settings, repository.source).write(
                "main", {f"apps/{number}.yaml": b"x"}, f"ours {number}"
            )
        except Retry as error:  # allowed by the contract; here twenty tries are enough for six
            failed.append(error)

    threads = [threading.Thread(target=ours, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(log(repository, "%H")) == 7
    assert set(writer.names(writer.tip("main"), "apps")) == {f"{n}.yaml" for n in range(6)}


def test_hooks_and_settings_of_the_repository_start_nothing(repository, writer, tmp_path):
    marker = tmp_path / "ran"
    for hook in ("post-update", "post-receive", "reference-transaction", "post-commit"):
        path = repository.folder / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {marker}\n")
        path.chmod(0o755)
    repository.config("core.fsmonitor", f"touch {marker}")
    writer.write("main", {"a.yaml": b"a"}, "x")
    assert not marker.exists()


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a//b", ".git/config", "a/.git/b", "a b", "a\nD b", "", 'a"b', "a/"]
)
def test_a_path_that_could_lead_elsewhere_is_refused(repository, writer, path):
    before = log(repository, "%H")
    with pytest.raises(Refused, match="no path"):
        writer.write("main", {path: b"x"}, "x")
    assert log(repository, "%H") == before


def test_a_lock_that_somebody_left_is_said_and_nothing_is_half_done(repository, writer, monkeypatch):
    lock = repository.folder / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(Retry, match=r"nothing can be committed .*main"):
        writer.write("main", {"a.yaml": b"a"}, "x")
    assert len(log(repository, "%H")) == 1
    lock.unlink()
    assert writer.write("main", {"a.yaml": b"a"}, "x") == log(repository, "%H")[0]


def test_a_repository_without_branches_says_what_to_do(tmp_path):
    empty = Repository(tmp_path / "git")
    with pytest.raises(Refused, match="push a first commit"):
        BareWriter.open(empty.settings, empty.source).write("main", {"a.yaml": b"a"}, "x")


def test_outside_of_the_allowed_roots_nothing_is_written(repository, tmp_path):
    elsewhere = BareWriter(repository.source, (tmp_path / "other",))
    with pytest.raises(Refused, match="SEGUE_GIT_ROOTS"):
        elsewhere.write("main", {"a.yaml": b"a"}, "x")
