"""A connected bare repository: its hook tells a real intake of real pushes, and connecting starts nothing."""

import os
import socket
from dataclasses import replace

import pytest

from handlers import bare_hook
from service import sources
from service.arrivals import connecting, hook_script
from service.arrivals.watching import look
from service.bootstrap import Parts
from service.intake import Door, create_intake
from service.machine.installation import make_folders
from service.ports.outcomes import Refused, Retry
from service.store.inbox import Inbox
from service.store.store import Store
from tests.repositories import Repository, git, push
from tests.serving import Served

SECRET = b"a secret of at least thirty-two bytes"
MAIN = "refs/heads/main"


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "git")


@pytest.fixture
def engine(repository):
    make_folders(repository.settings.home)
    store = Store.open(repository.settings.store_url("engine"))
    yield store
    store.close()


@pytest.fixture
def intake(repository):
    """A real intake; it knows the sources by the secrets that connecting left in the home folder."""
    make_folders(repository.settings.home)
    inbox = Inbox.open(repository.settings.store_url("inbox"))

    def door(source):
        secret = repository.settings.secret(f"hook-{source}")
        return Door("bare", (secret,)) if secret else None

    app = create_intake(repository.settings, inbox, door, lambda _: None)
    server = Served(app)
    yield f"http://127.0.0.1:{server.port}", inbox
    server.end()
    inbox.close()


def connect(repository, engine, hooks):
    return connecting.connect(repository.settings, engine, repository.source, hooks)


def hints(row):
    return bare_hook.parse(row.headers, row.body)


# --- the hook --------------------------------------------------------------------------------


def test_a_push_is_told_signed_verified_and_stored(repository, engine, intake):
    address, inbox = intake
    connect(repository, engine, address)
    clone = repository.clone("work")
    said = push(clone, {"a": b"1"}, "HEAD:main", "HEAD:refs/heads/release/1")
    assert "segue:" not in said
    (row,) = inbox.after(0)
    commit = git("rev-parse", "HEAD", cwd=clone).decode()
    assert row.source == "repo"
    assert {(hint.ref, hint.before, hint.after) for hint in hints(row)} == {
        (MAIN, "0" * 40, commit),
        ("refs/heads/release/1", "0" * 40, commit),
    }


def test_each_push_is_a_delivery_of_its_own_deletions_and_tags_too(repository, engine, intake):
    address, inbox = intake
    connect(repository, engine, address)
    clone = repository.clone("work")
    push(clone, {"a": b"1"})
    push(clone, {}, "HEAD:refs/tags/v1")
    push(clone, {}, "--delete", "v1")
    told = [(hint.ref, set(hint.after) == {"0"}) for row in inbox.after(0) for hint in hints(row)]
    assert told == [(MAIN, False), ("refs/tags/v1", False), ("refs/tags/v1", True)]


def test_a_reference_in_no_known_encoding_is_told_too(repository, engine, intake):
    address, inbox = intake
    connect(repository, engine, address)
    clone = repository.clone("work")
    said = push(clone, {"a": b"1"}, os.fsdecode(b"HEAD:refs/heads/caf\xe9"))
    assert "segue:" not in said
    (row,) = inbox.after(0)
    assert [hint.ref for hint in hints(row)] == [r"refs/heads/caf\xe9"]


def test_a_hook_with_an_old_secret_is_not_believed_and_the_push_succeeds(repository, engine, intake):
    address, inbox = intake
    connect(repository, engine, address)
    hook_script.install(repository.folder, f"{address}/hooks/repo", b"an older secret of many bytes...")
    said = push(repository.clone("work"), {"a": b"1"})
    assert "not told of this push now (HTTP Error 401" in said
    assert inbox.after(0) == []
    assert MAIN in repository.host.refs()


def test_a_push_while_the_intake_is_down_succeeds_and_says_who_will_find_it(repository):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    hook_script.install(repository.folder, f"http://127.0.0.1:{port}/hooks/repo", SECRET)
    said = push(repository.clone("work"), {"a": b"1"})
    assert "segue: not told of this push now" in said
    assert "its sweep will find it" in said
    assert MAIN in repository.host.refs()


def test_a_push_does_not_wait_for_an_intake_that_never_answers(repository):
    """The listener takes the connection and is silent; the hook gives up by itself."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hook_script.install(repository.folder, f"http://127.0.0.1:{port}/hooks/repo", SECRET)
        assert "timed out" in push(repository.clone("work"), {"a": b"1"})
    assert MAIN in repository.host.refs()


def test_the_secret_is_in_no_file_that_others_read(repository):
    hook = hook_script.install(repository.folder, "http://127.0.0.1:1/hooks/repo", SECRET)
    key = hook.parent / "segue.secret"
    assert key.read_bytes().strip() == SECRET
    assert key.stat().st_mode & 0o777 == 0o600
    assert SECRET not in hook.read_bytes()
    assert hook.stat().st_mode & 0o777 == 0o755


def test_installing_follows_no_link_that_lies_in_the_repository(repository, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (repository.folder / "hooks" / "segue.secret").symlink_to(victim)
    hook_script.install(repository.folder, "http://127.0.0.1:1/hooks/repo", SECRET)
    assert victim.read_text() == "precious"
    (repository.folder / "hooks" / "post-receive").unlink()
    (repository.folder / "hooks" / "post-receive").symlink_to(victim)
    with pytest.raises(FileExistsError, match="exists already"):
        hook_script.install(repository.folder, "http://127.0.0.1:1/hooks/repo", SECRET)
    (repository.folder / "hooks").rename(tmp_path / "shared")
    (repository.folder / "hooks").symlink_to(tmp_path / "shared")
    with pytest.raises(FileExistsError, match="is a link"):
        hook_script.install(repository.folder, "http://127.0.0.1:1/hooks/repo", SECRET)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs hooks for somebody else")
def test_run_as_root_the_hook_and_its_secret_belong_to_the_repositorys_owner(repository):
    os.chown(repository.folder, 65534, 65534)
    hook = hook_script.install(repository.folder, "http://127.0.0.1:1/hooks/repo", SECRET)
    assert {path.stat().st_uid for path in (hook, hook.parent / "segue.secret")} == {65534}


# --- connecting ------------------------------------------------------------------------------


def test_the_first_look_is_quiet_and_the_next_change_is_not(repository, engine):
    one = repository.commit({"a": b"1"})
    repository.git("tag", "v1", one)
    told = connect(repository, engine, "http://127.0.0.1:1")
    assert told[0] == f"source repo (bare) at {repository.folder}"
    assert {c.reference: c.value for c in engine.cursors("repo")} == {MAIN: one, "refs/tags/v1": one}
    assert kinds(engine) == ["declare"]
    repository.commit({"a": b"2"})
    parts = parts_of(repository, engine)
    assert look(parts, repository.source) == 1
    assert look(parts, repository.source) == 0
    assert kinds(engine) == ["event"]


def test_an_empty_repository_is_connected_and_its_first_push_is_news(repository, engine):
    connect(repository, engine, "http://127.0.0.1:1")
    assert engine.cursors("repo") == []
    push(repository.clone("work"), {"a": b"1"})
    assert look(parts_of(repository, engine), repository.source) == 1


def test_our_own_notes_are_no_news(repository, engine):
    commit = repository.commit({"a": b"1"})
    connect(repository, engine, "http://127.0.0.1:1")
    repository.git("notes", "--ref=segue", "add", "-m", "x", commit)
    assert look(parts_of(repository, engine), repository.source) == 0


def test_a_hook_is_set_and_a_second_connection_keeps_the_secret(repository, engine):
    told = connect(repository, engine, "http://127.0.0.1:8470/")
    hook = repository.folder / "hooks" / "post-receive"
    assert told[-1] == f"hook: {hook}"
    assert "http://127.0.0.1:8470/hooks/repo" in hook.read_text()
    path = repository.settings.home / "secrets" / "hook-repo"
    secret = path.read_bytes()
    assert len(secret.strip()) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert (hook.parent / "segue.secret").read_bytes() == secret
    connect(repository, engine, "http://127.0.0.1:9999")
    assert path.read_bytes() == (hook.parent / "segue.secret").read_bytes() == secret
    assert "http://127.0.0.1:9999/hooks/repo" in hook.read_text()
    assert sources.load(repository.settings.home) == (repository.source,)
    assert secret.strip() not in (repository.settings.home / "sources.json").read_bytes()


def test_a_foreign_hook_is_left_alone_and_said(repository, engine):
    hook = repository.folder / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\necho theirs\n")
    told = connect(repository, engine, "http://127.0.0.1:1")
    assert told[-1].startswith("no hook:")
    assert "exists already" in told[-1]
    assert "its sweep finds pushes" in told[-1]
    assert hook.read_text() == "#!/bin/sh\necho theirs\n"
    assert engine.sources() == [repository.source]


def test_a_file_address_gets_its_hook_too(repository, engine):
    source = replace(repository.source, url=f"file://{repository.folder}")
    told = connecting.connect(repository.settings, engine, source, "http://127.0.0.1:1")
    assert told[-1] == f"hook: {repository.folder / 'hooks' / 'post-receive'}"


def test_nothing_is_stored_of_a_source_that_cannot_be_read(repository, engine, tmp_path):
    for url, error in (
        (f"{repository.folder}x", Retry),
        ("/elsewhere.git", Refused),
        ("https://x/y.git", Refused),
    ):
        with pytest.raises(error):
            connecting.connect(
                repository.settings, engine, replace(repository.source, url=url), "http://127.0.0.1:1"
            )
    assert engine.sources() == []
    assert sources.load(repository.settings.home) == ()
    assert list((repository.settings.home / "secrets").iterdir()) == []


def parts_of(repository, engine):
    """What a look needs: the store and the real adapter."""

    def opened(source):
        return sources.opened(repository.settings, source)

    inbox = Inbox.open(repository.settings.store_url("inbox"))
    nothing = dict.fromkeys(("builder", "jobs", "workloads", "router", "metrics"))
    return Parts(settings=repository.settings, store=engine, inbox=inbox, open_source=opened, **nothing)


def kinds(engine):
    """The kinds of all work that is due, which is then done."""
    found = []
    while (work := engine.claim("test")) is not None:
        found.append(work.kind)
        with engine.change() as change:
            change.finish(work)
    return found


def test_the_doctor_knows_whether_the_hook_leads_here(repository, engine):
    def told(hooks):
        return connecting.told_at_once(repository.source, repository.host, hooks)

    assert not told("http://127.0.0.1:1")
    connect(repository, engine, "http://127.0.0.1:1")
    assert told("http://127.0.0.1:1")
    assert not told("http://127.0.0.1:2")


def test_one_repository_is_one_source(repository, engine):
    connect(repository, engine, "http://127.0.0.1:1")
    other = replace(repository.source, name="again")
    with pytest.raises(Refused, match="connected as repo already; write: --name repo"):
        connecting.connect(repository.settings, engine, other, "http://127.0.0.1:1")
    assert [source.name for source in engine.sources()] == ["repo"]
