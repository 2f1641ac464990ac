"""What only a real repository shows: real pushes, settings that must never run, damage, races, owners."""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from service.adapters.bare_git import BareGit
from service.adapters.repository import reading, running
from service.ports.git import CommitState, CommitStatus
from service.ports.outcomes import Refused, Retry
from tests.repositories import Repository, git, push

MAIN = "refs/heads/main"
NOBODY = 65534


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "git")


def status(commit, key="segue/wine/production", title="done", text=""):
    return CommitStatus(commit, key, CommitState.SUCCESS, title, text)


def everything(host, commit):
    """Ask all that can be asked, and report."""
    host.refs()
    host.default_branch()
    host.tree(commit)
    host.author(commit)
    host.changed(commit, commit)
    host.file(commit, "a")
    host.report(status(commit))
    return list(host.archive(commit, ""))


# --- pushes ----------------------------------------------------------------------------------


def test_real_pushes_tags_and_forced_pushes_are_seen(repository):
    clone = repository.clone("work")
    push(clone, {"a": b"1"})
    one = git("rev-parse", "HEAD", cwd=clone).decode()
    git("tag", "light", cwd=clone)
    git("tag", "-a", "-m", "x", "heavy", cwd=clone)
    git("tag", "-a", "-m", "x", "heavier", "heavy", cwd=clone)
    git("tag", "no-commit", "HEAD^{tree}", cwd=clone)
    push(clone, {"a": b"2"}, "HEAD:main", "--tags")
    two = git("rev-parse", "HEAD", cwd=clone).decode()
    tags = {f"refs/tags/{name}": one for name in ("light", "heavy", "heavier")}
    assert repository.host.refs() == {MAIN: two, **tags}
    git("reset", "--quiet", "--hard", one, cwd=clone)
    push(clone, {"b": b"3"}, "--force", "HEAD:main")
    three = git("rev-parse", "HEAD", cwd=clone).decode()
    assert repository.host.refs()[MAIN] == three
    assert set(repository.host.changed(two, three)) == {"a", "b"}
    assert repository.host.file(two, "a") == b"2"
    repository.git("-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now")
    assert repository.host.changed(two, three) is None
    with pytest.raises(Refused, match="push it again"):
        repository.host.file(two, "a")


def patiently(work):
    """Its result, as the queue gets it: what is to be tried again is."""
    for _ in range(20):
        try:
            return work()
        except Retry:
            continue  # `gc` took away a folder that git was about to write into
    return work()


def test_reading_goes_on_while_the_repository_is_packed_and_pushed_to(repository):
    clone = repository.clone("work")
    push(clone, {f"{number}": b"x" * 100 for number in range(200)})
    commit = git("rev-parse", "HEAD", cwd=clone).decode()
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            push(clone, {"more": os.urandom(8)})
            # What is younger may be on its way into a reference: git itself would keep it two weeks.
            repository.git("gc", "--quiet", "--prune=1.minute.ago")

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        for _ in range(10):
            assert len(patiently(lambda: everything(repository.host, commit))) == 200
    finally:
        stop.set()
        disturbing.join()


def test_a_branch_named_in_no_known_encoding_is_told_in_ascii(repository):
    commit = repository.commit({"a": b"1"})
    repository.git("update-ref", os.fsdecode(b"refs/heads/caf\xe9"), commit)
    assert repository.host.refs() == {MAIN: commit, r"refs/heads/caf\xe9": commit}


# --- nothing in a repository runs ------------------------------------------------------------


def test_nothing_that_a_repository_configures_ever_runs(repository, tmp_path):
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {marker}\ncat\n')
    program.chmod(0o755)
    attributes = b"* filter=evil diff=evil export-subst merge=evil\n"
    commit = repository.commit({"a": b"$Format:%H$", ".gitattributes": attributes})
    (repository.folder / "info" / "attributes").write_bytes(attributes)
    for hook in ("post-receive", "reference-transaction", "post-update", "pre-auto-gc", "post-checkout"):
        shutil.copy(program, repository.folder / "hooks" / hook)
    for name in (
        "filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv",
        "diff.evil.command", "diff.external", "core.fsmonitor", "core.pager", "pager.ls-tree", "core.editor",
        "core.sshCommand", "core.alternateRefsCommand", "credential.helper", "gpg.program", "core.askPass",
        "uploadpack.packObjectsHook", "sequence.editor", "interactive.diffFilter", "trailer.x.command",
    ):  # fmt: skip
        repository.config(name, str(program))
    repository.config("core.hooksPath", str(repository.folder / "hooks"))
    for alias in ("ls-tree", "cat-file", "for-each-ref", "fast-import", "notes", "rev-parse"):
        repository.config(f"alias.{alias}", f"!{program}")
    found = {entry.path: content for entry, content in everything(repository.host, commit)}
    assert found["a"] == repository.host.file(commit, "a") == b"$Format:%H$"
    assert not marker.exists(), marker.read_text()


def test_missing_objects_are_never_fetched_by_a_program_that_the_repository_names(repository, tmp_path):
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    commit = repository.commit({"a": b"1"})
    oid = repository.host.tree(commit)[0].oid
    repository.git("repack", "-adq")
    repository.git("unpack-objects", "-q", data=b"", check=False)
    remove(repository, oid)
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(repository.folder),
        "remote.origin.uploadpack": str(program),
        "protocol.allow": "always",
        "protocol.file.allow": "always",
    }.items():
        repository.config(name, value)
    with pytest.raises((Refused, Retry)):
        list(repository.host.archive(commit, ""))
    with pytest.raises((Refused, Retry)):
        repository.host.file(commit, "a")
    assert not marker.exists()


def test_our_own_environment_does_not_reach_git(repository, tmp_path, monkeypatch):
    commit = repository.commit({"a": b"1"})
    other = Repository(tmp_path / "git", "other.git")
    monkeypatch.setenv("GIT_DIR", str(other.folder))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.folder / "objects"))
    monkeypatch.setenv("GIT_NAMESPACE", "elsewhere")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "nonsense")
    assert repository.host.refs() == {MAIN: commit}
    assert repository.host.file(commit, "a") == b"1"
    assert not (tmp_path / "trace").exists()


def test_replaced_objects_are_read_as_they_were_committed(repository):
    one, two = repository.commit({"a": b"true"}), repository.commit({"a": b"false"})
    repository.git("replace", one, two)
    assert repository.host.file(one, "a") == b"true"


# --- places ----------------------------------------------------------------------------------


def at(repository, url, roots=None):
    chosen = repository.settings if roots is None else replace(repository.settings, git_roots=roots)
    return BareGit.open(chosen, replace(repository.source, url=str(url)))


def test_plain_paths_and_file_addresses_below_a_root_are_read(repository, tmp_path):
    commit = repository.commit({"a": b"1"})
    spaced = tmp_path / "git" / "with space.git"
    shutil.copytree(repository.folder, spaced)
    urls = (repository.folder, f"file://{repository.folder}", f"file://localhost{repository.folder}", spaced,
            f"file://{tmp_path}/git/with%20space.git")  # fmt: skip
    for url in urls:
        assert at(repository, url).refs() == {MAIN: commit}, url


def test_a_path_below_no_root_is_refused_with_the_setting_to_write(repository, tmp_path):
    repository.commit({"a": b"1"})
    outside = Repository(tmp_path / "outside")
    (tmp_path / "git" / "link.git").symlink_to(outside.folder)
    (tmp_path / "root-link").symlink_to(tmp_path / "git")
    for url in (
        outside.folder,
        tmp_path / "git" / ".." / "outside" / "models.git",
        tmp_path / "git" / "link.git",
    ):
        with pytest.raises(Refused, match=f"SEGUE_GIT_ROOTS={tmp_path}/git:{tmp_path}/outside"):
            at(repository, url).refs()
    with pytest.raises(Refused, match=f"not set.*SEGUE_GIT_ROOTS={tmp_path}/git"):
        at(repository, repository.folder, roots=()).refs()
    with pytest.raises(Refused, match=r"SEGUE_GIT_ROOTS=/srv-of-nobody$"):  # and not all there is
        at(repository, "/srv-of-nobody", roots=()).refs()
    assert at(repository, repository.folder, roots=(tmp_path / "root-link",)).refs()


@pytest.mark.parametrize(
    "url", ["https://example.org/x.git", "ssh://git@example.org/x.git", "git@example.org:x.git", "models.git",
            "ext::sh -c touch% x", "file://elsewhere/x.git", "--upload-pack=x", "", "/a\0b"]
)  # fmt: skip
def test_an_address_that_is_not_on_this_machine_is_refused(repository, url):
    with pytest.raises(Refused, match="whole path"):
        at(repository, url).refs()


def test_a_working_copy_is_refused_with_the_repository_to_name(repository):
    commit = repository.commit({"a": b"1"})
    clone = repository.clone("work")
    with pytest.raises(Refused, match=f"connect its repository: {clone}/.git"):
        at(repository, clone).refs()
    assert at(repository, clone / ".git").refs() == {MAIN: commit}


def test_a_folder_without_a_repository_is_tried_again(repository, tmp_path):
    (tmp_path / "git" / "empty").mkdir()
    with pytest.raises(Retry, match="holds no Git repository"):
        at(repository, tmp_path / "git" / "empty").refs()


def test_a_repository_that_comes_back_is_read_on(repository, tmp_path):
    commit, host = repository.commit({"a": b"1"}), repository.host
    repository.folder.rename(tmp_path / "git" / "away")
    with pytest.raises(Retry, match="put the repository back"):
        host.file(commit, "a")
    (tmp_path / "git" / "away").rename(repository.folder)
    assert host.file(commit, "a") == b"1"


def test_without_git_it_is_tried_again_and_says_what_to_install(repository, tmp_path):
    code = (
        "import sys; from pathlib import Path; from service.adapters.repository.running import run\n"
        "from service.ports.outcomes import Retry\n"
        "try: run(Path(sys.argv[1]), 'symbolic-ref', 'HEAD')\n"
        "except Retry as reason: print(reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, repository.folder],
        env={"PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert "install git" in done.stdout, done.stderr


# --- limits and damage -----------------------------------------------------------------------


def test_a_file_too_large_is_refused_before_it_is_read(repository, monkeypatch):
    monkeypatch.setattr(reading, "MOST_FILE", 1 << 20)
    commit = repository.commit({"m/a": b"1", "m/model.bin": bytes((1 << 20) + 1)})
    assert len(repository.host.tree(commit)) == 2
    with pytest.raises(Refused, match=r"'m/model\.bin'.*1048577 bytes.*at most 1 MiB.*registry"):
        repository.host.file(commit, "m/model.bin")
    with pytest.raises(Refused, match="at most 1 MiB"):
        list(repository.host.archive(commit, "m"))


def test_a_tree_with_too_many_files_is_refused(repository, monkeypatch):
    commit = repository.commit({str(number): b"" for number in range(20)})
    monkeypatch.setattr(reading, "MOST_FILES", 19)
    with pytest.raises(Refused, match="more than 19 files"):
        repository.host.tree(commit)


def test_a_tree_that_repeats_itself_without_end_is_refused(repository, monkeypatch):
    """Ten levels of ten names for one tree are 10^10 files in eleven objects."""
    blob = repository.git("hash-object", "-w", "--stdin").decode()
    tree = repository.git("mktree", data=f"100644 blob {blob}\tf\n".encode()).decode()
    for _ in range(10):
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = repository.git("mktree", data=lines.encode()).decode()
    commit = repository.git("commit-tree", "-m", "x", tree).decode()
    monkeypatch.setattr(reading, "MOST_FILES", 20_000)
    with pytest.raises(Refused, match="keep data out"):
        repository.host.tree(commit)


def test_git_that_hangs_is_ended_and_tried_again(repository, monkeypatch):
    commit = repository.commit({"a": b"1"})
    monkeypatch.setattr(running, "SECONDS", 0.3)
    packed = repository.folder / "packed-refs"
    packed.unlink(missing_ok=True)
    os.mkfifo(packed)
    with pytest.raises(Retry, match="did not answer within"):
        repository.host.refs()
    packed.unlink()
    assert repository.host.refs() == {MAIN: commit}


def remove(repository, oid):
    """Take one object away, from packs too."""
    packs = repository.folder / "objects" / "pack"
    for pack in packs.glob("*.pack"):
        away = repository.folder / pack.name
        pack.rename(away)
        for rest in packs.glob(f"{pack.stem}.*"):
            rest.unlink()
        repository.git("unpack-objects", "-q", data=away.read_bytes())
        away.unlink()
    loose(repository, oid).unlink()


def loose(repository, oid):
    return repository.folder / "objects" / oid[:2] / oid[2:]


@pytest.mark.parametrize("how", ["damaged", "empty", "gone"])
@pytest.mark.parametrize("what", ["blob", "tree", "commit"])
def test_a_damaged_object_is_refused_with_what_to_look_at(repository, how, what):
    commit = repository.commit({"m/a": b"1" * 1000})
    oid = {
        "blob": repository.host.tree(commit)[0].oid,
        "tree": repository.git("rev-parse", f"{commit}:m").decode(),
        "commit": commit,
    }[what]
    if how == "gone":
        remove(repository, oid)
    else:
        loose(repository, oid).chmod(0o644)
        loose(repository, oid).write_bytes(b"" if how == "empty" else b"no zlib at all")
    with pytest.raises(Refused, match=r"fsck|no commit"):
        list(repository.host.archive(commit, "m"))
    with pytest.raises(Refused, match=r"fsck|no commit"):
        repository.host.file(commit, "m/a")


# --- notes -----------------------------------------------------------------------------------


REPORTING = """
import sys
from pathlib import Path
from service.adapters.bare_git import BareGit
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus
from service.ports.outcomes import Retry
from service.settings import Settings
folder, name, *commits = sys.argv[1:]
host = BareGit.open(Settings(home=Path("/nonexistent"), git_roots=(Path(folder).parent,)), Source("r", "bare", folder))
for number in range(5):
    for commit in commits:
        for _ in range(100):
            try:
                host.report(CommitStatus(commit, f"segue/{name}/{number}", CommitState.SUCCESS, name, ""))
                break
            except Retry:
                pass
"""


def test_processes_that_write_notes_at_once_lose_nothing(repository):
    commits = [repository.commit({"a": str(number).encode()}) for number in range(2)]
    started = [
        subprocess.Popen([sys.executable, "-c", REPORTING, repository.folder, name, *commits])
        for name in "pq"
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    for commit in commits:
        note = repository.git("notes", "--ref=segue", "show", commit).decode()
        assert [f"segue/{name}/{number}: {name}" in note for name in "pq" for number in range(5)] == [
            True
        ] * 10
    assert repository.git("fsck", "--strict", "--no-dangling") == b""


def test_notes_that_people_write_meanwhile_are_never_lost(repository):
    """Ours may be lost to theirs: `git notes` itself writes over whatever came in between."""
    commit = repository.commit({"a": b"1"})
    people = [repository.commit({"b": str(number).encode()}) for number in range(10)]
    reporting = subprocess.Popen([sys.executable, "-c", REPORTING, repository.folder, "p", commit])
    for number, other in enumerate(people):
        while repository.git(
            "notes", "--ref=segue", "add", "-f", "-m", f"by hand {number}", other, check=False
        ).returncode:
            pass
    assert reporting.wait(60) == 0
    for number, other in enumerate(people):
        assert repository.git("notes", "--ref=segue", "show", other) == f"by hand {number}".encode()


def test_what_people_wrote_into_a_note_stays(repository):
    commit = repository.commit({"a": b"1"})
    by_hand = b"looked at it, \xe9 fine\n\n    an indented line\n\nthe end"
    repository.git("notes", "--ref=segue", "add", "-F", "-", commit, data=by_hand)
    for title in ("first", "second"):
        repository.host.report(status(commit, title=title, text="why"))
    note = repository.git("notes", "--ref=segue", "show", commit)
    assert note == by_hand + b"\n\n[success] segue/wine/production: second\n    why"
    repository.git("notes", "--ref=segue", "append", "-m", "after it", commit)
    repository.host.report(status(commit, title="third", text="new\n\nreason"))
    note = repository.git("notes", "--ref=segue", "show", commit)
    ours = b"\n\n[success] segue/wine/production: third\n    new\n\n    reason\n\nafter it"
    assert note == by_hand + ours


def test_notes_are_commits_of_segue_and_a_repeated_report_makes_none(repository):
    commit = repository.commit({"a": b"1"})
    for _ in range(3):
        repository.host.report(status(commit))
    log = repository.git("log", "--format=%an <%ae> %cn <%ce>", "refs/notes/segue").decode()
    assert log == "Segue <segue@localhost> Segue <segue@localhost>"
    assert [path.name for path in repository.folder.glob("fast_import_crash*")] == []


def test_notes_on_many_commits_stay_readable(repository):
    """Git spreads more notes over folders; they are found there, by us and by git."""
    who = "committer x <x> 1 +0000\ndata 1\nx"
    lines = [f"commit {MAIN}\nmark :{number}\n{who}" for number in range(1, 301)]
    lines.append(f"commit refs/notes/segue\n{who}")
    lines += [f"N inline :{number}\ndata 8\nby hand\n" for number in range(1, 301)]
    repository.git("fast-import", "--quiet", data="\n".join(lines).encode())
    commits = repository.git("rev-list", MAIN).decode().split()
    assert b"/" in repository.git("ls-tree", "-r", "--name-only", "refs/notes/segue")
    for commit in (commits[0], commits[-1]):
        repository.host.report(status(commit))
        shown = repository.git("notes", "--ref=segue", "show", commit).decode()
        assert shown == "by hand\n\n[success] segue/wine/production: done"
    assert len(repository.git("notes", "--ref=segue", "list").splitlines()) == 300


def test_a_note_that_cannot_be_read_is_not_written_over(repository):
    commit = repository.commit({"a": b"1"})
    repository.host.report(status(commit))
    for what in ("refs/notes/segue:" + commit, "refs/notes/segue^{tree}"):
        oid = repository.git("rev-parse", what).decode()
        kept = loose(repository, oid).read_bytes()
        loose(repository, oid).unlink()
        with pytest.raises((Refused, Retry)):
            repository.host.report(status(commit, key="segue/other"))
        loose(repository, oid).write_bytes(kept)
    repository.host.report(status(commit, key="segue/other"))
    assert repository.git("notes", "--ref=segue", "show", commit).count(b"[success]") == 2


def test_a_note_that_cannot_be_written_is_tried_again_with_the_reason(repository):
    commit = repository.commit({"a": b"1"})
    lock = repository.folder / "refs" / "notes" / "segue.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    with pytest.raises(Retry, match=r"segue\.lock"):
        repository.host.report(status(commit))
    lock.unlink()
    repository.host.report(status(commit))


# --- owners ----------------------------------------------------------------------------------


@pytest.fixture
def owned():
    """A repository of somebody else, in a folder that they can reach."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a repository of somebody else")
    root = Path(subprocess.check_output(["mktemp", "-d", "/tmp/segue-git-XXXXXX"], text=True).strip())
    root.chmod(0o755)
    made = Repository(root)
    made.first = made.commit({"a": b"1"})
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", made.folder], check=True)
    yield made
    shutil.rmtree(root)


def test_run_as_root_what_is_written_belongs_to_the_repositorys_owner(owned):
    everything(owned.host, owned.first)
    assert {path.stat().st_uid for path in owned.folder.rglob("*")} == {NOBODY}


def test_a_repository_that_its_owner_cannot_reach_is_tried_again_with_the_reason(owned):
    owned.folder.parent.chmod(0o700)
    with pytest.raises(Retry, match=f"can its owner, user {NOBODY}, reach it"):
        owned.host.refs()


def test_somebody_elses_repository_is_read_without_being_root(owned):
    code = (
        "import os, sys; from pathlib import Path; import git; from service.adapters.bare_git import BareGit\n"
        "from service.ports.connections import Source; from service.settings import Settings\n"
        "folder = Path(sys.argv[1])\n"
        "host = BareGit.open(Settings(home=folder, git_roots=(folder.parent,)), Source('r', 'bare', str(folder)))\n"
        "os.setgroups([]); os.setgid(1); os.setuid(1)\n"
        "print(host.file(host.refs()['refs/heads/main'], 'a'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, owned.folder], check=False, capture_output=True, text=True
    )
    assert done.stdout == "b'1'\n", done.stderr
