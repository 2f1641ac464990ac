"""What every Git host must do: a bare repository, hosts by their mirrors and APIs, and the one in memory."""

import hashlib
import shutil
import threading

import pytest

from service.adapters.memory.git import MemoryGit
from service.ports.git import CommitState, CommitStatus, Deployment, DeploymentState, Permission
from service.ports.outcomes import Refused, Retry
from service.sources import DEPLOYING_KINDS
from tests.hosting.worlds import OnBitbucket, OnBitbucketServer, OnGitHub, OnGitLab
from tests.repositories import Repository

MAIN = "refs/heads/main"
UNKNOWN = "f" * 40
FILE, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000


class InMemory:
    """Everything is done by hand."""

    def __init__(self):
        self.host = MemoryGit()
        self.commit, self.note = self.host.commit, self.host.note
        self.move, self.delete = self.host.move, self.host.delete

    def vanish(self):
        self.host.gone = "it is gone"

    def point_head(self, ref):
        self.host.head = ref

    def knows(self, login, permission):
        self.host.people[login] = permission

    def places(self):
        return "pull/7", "issue/8"

    def joins(self, login, group):
        self.host.groups.setdefault(group, set()).add(login)

    def said(self, where):
        return [text for (place, _), text in self.host.comments.items() if place == where]

    def deployed(self, environment):
        return [(d.commit, d.state) for d in self.host.deployments if d.environment == environment]

    def serves(self, environment):
        found = [commit for commit, state in self.deployed(environment) if state == "success"]
        assert len(found) < 2, found
        return found[0] if found else None

    def may_deploy(self, may):
        self.host.deploys = may


class Real:
    """Everything is done by git."""

    def __init__(self, repository):
        self.repository = repository
        self.host = repository.host
        self.commit = repository.commit

    def note(self, commit):
        shown = self.repository.git("notes", "--ref=segue", "show", commit, check=False)
        return shown.stdout.decode()

    def move(self, ref, commit):
        self.repository.git("update-ref", ref, commit)

    def delete(self, ref):
        self.repository.git("update-ref", "-d", ref)

    def vanish(self):
        shutil.rmtree(self.repository.folder)

    def point_head(self, ref):
        if ref is None:
            head = self.repository.git("rev-parse", "HEAD").decode()
            self.repository.git("update-ref", "--no-deref", "HEAD", head)
        else:
            self.repository.git("symbolic-ref", "HEAD", ref)


HOSTS = {
    "github": OnGitHub,
    "gitlab": OnGitLab,
    "bitbucket": OnBitbucket,
    "bitbucket-server": OnBitbucketServer,
}


@pytest.fixture(params=["memory", "bare", *HOSTS])
def world(request, tmp_path):
    if request.param in HOSTS:
        made = HOSTS[request.param](tmp_path)
        with made.server:
            yield made
    else:
        yield InMemory() if request.param == "memory" else Real(Repository(tmp_path / "git"))


def status(commit, key="segue/wine/production", state=CommitState.SUCCESS, title="done", text=""):
    return CommitStatus(commit, key, state, title, text)


def paths(entries):
    return [entry.path for entry in entries]


# --- references ------------------------------------------------------------------------------


def test_an_empty_repository_has_no_references_but_a_default_branch(world):
    assert world.host.refs() == {}
    assert world.host.default_branch() == MAIN


def test_branches_and_tags_are_told_with_their_commits_and_follow_every_move(world):
    one = world.commit({"a": b"1"})
    two = world.commit({"a": b"2"})
    world.move("refs/heads/release/1.0", one)
    world.move("refs/tags/v1", one)
    assert world.host.refs() == {MAIN: two, "refs/heads/release/1.0": one, "refs/tags/v1": one}
    world.move(MAIN, one)
    world.delete("refs/tags/v1")
    assert world.host.refs() == {MAIN: one, "refs/heads/release/1.0": one}


def test_head_may_name_another_branch_even_one_that_does_not_exist_yet(world):
    world.commit({"a": b"1"})
    world.point_head("refs/heads/trunk")
    assert world.host.default_branch() == "refs/heads/trunk"


def test_head_that_names_no_branch_is_refused(world):
    world.commit({"a": b"1"})
    world.point_head(None)
    with pytest.raises(Refused, match="HEAD"):
        world.host.default_branch()


def test_a_report_is_no_reference(world):
    commit = world.commit({"a": b"1"})
    world.host.report(status(commit))
    assert world.host.refs() == {MAIN: commit}


# --- files -----------------------------------------------------------------------------------


def test_a_tree_lists_all_files_with_their_git_ids_modes_and_sizes(world):
    modes = {"bin/run": EXECUTABLE, "link": LINK}
    commit = world.commit({"bin/run": b"#!", "link": b"bin/run", "a.txt": b"abc"}, modes=modes)
    found = {entry.path: entry for entry in world.host.tree(commit)}
    assert {path: (entry.mode, entry.size) for path, entry in found.items()} == {
        "a.txt": (FILE, 3),
        "bin/run": (EXECUTABLE, 2),
        "link": (LINK, 7),
    }
    assert found["a.txt"].oid == hashlib.sha1(b"blob 3\0abc").hexdigest()  # noqa: S324 (Git's own)


def test_a_folders_tree_has_paths_from_the_root_and_nothing_of_its_neighbours(world):
    commit = world.commit({"m/a": b"1", "m/deep/b": b"2", "m2/c": b"3", "m.txt": b"4"})
    for folder in ("m", "m/", "/m"):
        assert paths(world.host.tree(commit, folder)) == ["m/a", "m/deep/b"]
    assert paths(world.host.tree(commit, "m/deep")) == ["m/deep/b"]
    assert world.host.tree(commit, "nowhere") == ()
    assert world.host.tree(commit, "m/a") == ()


def test_files_are_read_at_exactly_the_commit(world):
    one = world.commit({"a": b"old", "gone": b"x"})
    two = world.commit({"a": b"new", "gone": None})
    assert (world.host.file(one, "a"), world.host.file(two, "a")) == (b"old", b"new")
    assert (world.host.file(one, "gone"), world.host.file(two, "gone")) == (b"x", None)


def test_what_is_no_file_is_none(world):
    commit = world.commit({"m/a": b"1", "sub": UNKNOWN.encode()}, modes={"sub": SUBMODULE})
    for path in ("m", "nowhere", "m/a/b", "", ".", "./m/a", "m/../m/a", "../m/a", "m//a", "sub"):
        assert world.host.file(commit, path) is None, path


CONTENTS = {
    "empty": b"",
    "no end": b"x",
    "zeros": b"\0" * 1000,
    "large": bytes(range(256)) * 5000,
    "lf": b"\n\n",
}


def test_contents_come_back_byte_by_byte(world):
    commit = world.commit(CONTENTS)
    assert {path: world.host.file(commit, path) for path in CONTENTS} == CONTENTS
    assert {entry.path: content for entry, content in world.host.archive(commit, "")} == CONTENTS


NAMES = ("a b", "new\nline", "tab\there", 'quo"te', "back\\slash", "ümlaut", "-rf", ":(glob)*", "*", "a:b", "^{tree}",
         "byte\udcff")  # fmt: skip


def test_unusual_names_are_names(world):
    commit = world.commit({f"f/{name}": name.encode(errors="surrogateescape") for name in NAMES})
    assert set(paths(world.host.tree(commit))) == {f"f/{name}" for name in NAMES}
    for name in NAMES:
        assert world.host.file(commit, f"f/{name}") == name.encode(errors="surrogateescape"), name
    assert {entry.path for entry, _ in world.host.archive(commit, "f")} == set(NAMES)


def test_unusual_folders_are_folders(world):
    commit = world.commit({f"{name}/x": name.encode(errors="surrogateescape") for name in NAMES})
    for name in NAMES:
        assert paths(world.host.tree(commit, name)) == [f"{name}/x"], name


# --- archives --------------------------------------------------------------------------------


def test_an_archive_holds_a_folders_files_with_paths_from_the_folder(world):
    commit = world.commit({"m/a": b"1", "m/deep/b": b"22", "m2/c": b"3"}, modes={"m/a": EXECUTABLE})
    found = {
        entry.path: (content, entry.mode, entry.size) for entry, content in world.host.archive(commit, "m")
    }
    assert found == {"a": (b"1", EXECUTABLE, 1), "deep/b": (b"22", FILE, 2)}


def test_links_and_submodules_are_not_followed(world):
    modes = {"link": LINK, "sub": SUBMODULE}
    commit = world.commit({"link": b"/etc/passwd", "sub": UNKNOWN.encode(), "a": b"1"}, modes=modes)
    found = {entry.path: (entry.mode, content) for entry, content in world.host.archive(commit, "")}
    assert found == {"a": (FILE, b"1"), "link": (LINK, b"/etc/passwd"), "sub": (SUBMODULE, b"")}
    entry = {entry.path: entry for entry in world.host.tree(commit)}["sub"]
    assert (entry.oid, entry.size) == (UNKNOWN, 0)


def test_a_pointer_to_a_large_file_stays_a_pointer(world):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n"
    commit = world.commit({"model.bin": pointer, ".gitattributes": b"*.bin filter=lfs diff=lfs -text\n"})
    found = {entry.path: content for entry, content in world.host.archive(commit, "")}
    assert found["model.bin"] == pointer


@pytest.mark.parametrize("folder", ["nowhere", "a", "../a", "m/../m"])
def test_an_archive_of_what_is_no_folder_is_refused(world, folder):
    commit = world.commit({"a": b"1", "m/b": b"2"})
    with pytest.raises(Refused, match="no folder"):
        list(world.host.archive(commit, folder))


def test_an_archive_may_be_left_in_the_middle(world):
    commit = world.commit({str(number): b"x" * 1000 for number in range(50)})
    files = world.host.archive(commit, "")
    next(files)
    files.close()
    assert len(list(world.host.archive(commit, ""))) == 50


# --- people and changes ----------------------------------------------------------------------


def test_the_author_is_the_one_who_wrote_the_commit(world):
    one, two = world.commit({"a": b"1"}, author="bob"), world.commit({"a": b"2"}, author="Zoë")
    assert (world.host.author(one), world.host.author(two)) == ("bob", "Zoë")


def test_changed_paths_are_told_whichever_way_one_looks(world):
    one = world.commit({"same": b"1", "m/edit": b"1", "gone": b"1", "mode": b"1", "new\nline": b"1"})
    two = world.commit(
        {"m/edit": b"2", "gone": None, "mode": b"1", "added": b"1", "new\nline": b"2"},
        modes={"mode": EXECUTABLE},
    )
    wanted = {"m/edit", "gone", "mode", "added", "new\nline"}
    assert set(world.host.changed(one, two)) == set(world.host.changed(two, one)) == wanted
    assert world.host.changed(one, one) == ()


def test_a_moved_file_changes_both_places(world):
    one = world.commit({"m/a": b"the same content" * 10})
    two = world.commit({"m/a": None, "n/a": b"the same content" * 10})
    assert set(world.host.changed(one, two)) == {"m/a", "n/a"}


def test_what_changed_since_a_commit_that_is_not_known_cannot_be_told(world):
    commit = world.commit({"a": b"1"})
    assert world.host.changed(UNKNOWN, commit) is None
    assert world.host.changed("0" * 40, commit) is None
    assert world.host.changed(commit, UNKNOWN) is None


# --- reports ---------------------------------------------------------------------------------


def test_a_report_can_be_read_on_the_commit_with_its_state_key_title_and_text(world):
    commit = world.commit({"a": b"1"})
    world.host.report(status(commit, state=CommitState.FAILURE, title="it failed", text="f1 is 0.2\nmore"))
    assert world.note(commit).rstrip("\n") == (
        "[failure] segue/wine/production: it failed\n    f1 is 0.2\n    more"
    )


def test_every_key_keeps_its_newest_status(world):
    commit, other = world.commit({"a": b"1"}), world.commit({"a": b"2"})
    for title in ("first", "second"):
        for key in ("segue/a", "segue/b", "segue/a b"):
            world.host.report(status(commit, key, title=f"{key} {title}", text=title))
    world.host.report(status(other, "segue/a", title="elsewhere"))
    note = world.note(commit)
    assert note.count("second") == 6
    assert "first" not in note
    assert "elsewhere" in world.note(other)


def test_the_same_report_twice_changes_nothing(world):
    commit = world.commit({"a": b"1"})
    world.host.report(status(commit, text="x"))
    before = world.note(commit)
    world.host.report(status(commit, text="x"))
    assert world.note(commit) == before


def test_what_would_steer_a_terminal_is_reported_visibly(world):
    commit = world.commit({"a": b"1"})
    world.host.report(status(commit, "segue/\x1b[2J", title="a\nb\x07", text="\x1b]0;x\x07\r\0\udcff"))
    note = world.note(commit)
    assert "\\x1b[2J" in note
    assert note.isprintable() or set(note) - {"\n"} == {c for c in note if c.isprintable()}


def test_a_long_text_is_cut_and_says_so(world):
    commit = world.commit({"a": b"1"})
    world.host.report(status(commit, text="x" * 1_000_000))
    assert len(world.note(commit)) < 100_000
    assert "cut" in world.note(commit)


def test_reporters_that_race_lose_nothing(world):
    commits = [world.commit({"a": str(number).encode()}) for number in range(3)]

    def write(name):
        for number, commit in enumerate(commits):
            while True:
                try:
                    world.host.report(status(commit, f"segue/{name}", title=f"{name}{number}"))
                    break
                except Retry:
                    pass

    threads = [threading.Thread(target=write, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, commit in enumerate(commits):
        assert all(f"segue/{name}: {name}{number}" in world.note(commit) for name in "pqrs")


def test_a_commit_says_when_it_was_made(world):
    assert world.host.committed(world.commit({"a": b"1"})) == 1_700_000_000


# --- people ----------------------------------------------------------------------------------


def test_who_is_not_known_may_nothing(world):
    for name in ("nobody", "", "-h", "../ann", "ann\n"):
        assert world.host.may(name) == Permission.NONE


def test_who_is_known_may_what_the_host_says(world):
    if isinstance(world, Real):
        pytest.skip("a bare repository knows nobody by a login")
    for name, permission in (("cleo", Permission.ADMIN), ("ann", Permission.WRITE), ("dan", Permission.READ)):
        world.knows(name, permission)
        assert world.host.may(name) == permission
    world.knows("ann", Permission.READ)
    assert world.host.may("ann") == Permission.READ


def test_who_is_in_a_group_is_told_where_the_host_knows(world):
    group = "acme/ml-leads"
    for name in ("nobody", "", "-h", "../ann"):
        assert not world.host.belongs(name, group)
    for odd in ("", "acme", "acme/../x", "a/b?c=d", "acme/ml-leads/x/y z", "@acme/ml-leads"):
        assert not world.host.belongs("ann", odd)
    if isinstance(world, Real | OnBitbucket | OnBitbucketServer):
        return
    for name in ("ann", "bob"):
        world.knows(name, Permission.WRITE)
    world.joins("ann", group)
    assert world.host.belongs("ann", group)
    assert not world.host.belongs("bob", group)
    assert not world.host.belongs("ann", "acme/others")


def test_a_comment_of_one_key_is_replaced_or_there_are_no_comments(world):
    if isinstance(world, Real):
        with pytest.raises(Refused, match="no pull/7"):
            world.host.comment("pull/7", "segue/1", "done")
        return
    here, there = world.places()
    for key, text in (("segue/1", "begun"), ("segue/2", "other"), ("segue/1", "done")):
        world.host.comment(here, key, text)
    assert sorted(world.said(here)) == ["done", "other"]
    world.host.comment(there, "segue/1", "elsewhere")
    assert (sorted(world.said(here)), world.said(there)) == (["done", "other"], ["elsewhere"])


# --- deployments -----------------------------------------------------------------------------


QUEUED, GOES_ON, SUCCESS, FAILURE, INACTIVE = DeploymentState
ENVIRONMENT = "wine/production"


@pytest.fixture(params=["memory", *sorted(DEPLOYING_KINDS)])
def listing(request, tmp_path):
    """A host that lists deployments."""
    if request.param == "memory":
        yield InMemory()
        return
    made = HOSTS[request.param](tmp_path)
    with made.server:
        yield made


def deploy(world, commit, key, *states, environment=ENVIRONMENT):
    for state in states:
        world.host.deploy(Deployment(commit, environment, key, state, f"{key} is {state.value}"))


def test_those_that_list_deployments_are_those_that_say_so(world):
    kind = getattr(world, "kind", None)
    assert hasattr(world.host, "deploy") == (kind in DEPLOYING_KINDS or isinstance(world, InMemory))


def test_a_deployment_is_listed_once_in_its_newest_state_however_often_it_is_told(listing):
    commit = listing.commit({"a": b"1"})
    for state in (GOES_ON, SUCCESS):
        deploy(listing, commit, "rel-1", state, state)
        assert listing.deployed(ENVIRONMENT) == [(commit, state.value)]
    assert listing.serves(ENVIRONMENT) == commit


def test_the_newest_that_succeeded_serves_alone_also_after_a_way_back(listing):
    one, two = listing.commit({"a": b"1"}), listing.commit({"a": b"2"})
    for key, commit in (("rel-1", one), ("rel-2", two), ("rel-3", one)):
        deploy(listing, commit, key, QUEUED, GOES_ON)
        deploy(listing, commit, key, SUCCESS)
        assert listing.serves(ENVIRONMENT) == commit
        assert listing.deployed(ENVIRONMENT)[:1] == [(commit, "success")]
    assert len(listing.deployed(ENVIRONMENT)) == 3


def test_the_same_commit_is_deployed_once_for_each_of_its_releases(listing):
    commit = listing.commit({"a": b"1"})
    for key in ("rel-1", "rel-2"):
        deploy(listing, commit, key, GOES_ON, SUCCESS)
    assert len(listing.deployed(ENVIRONMENT)) == 2
    assert listing.serves(ENVIRONMENT) == commit


@pytest.mark.parametrize("state", [FAILURE, INACTIVE])
def test_what_ended_badly_is_told_of_what_was_begun_and_takes_nothing_away(listing, state):
    one, two, three = (listing.commit({"a": str(n).encode()}) for n in range(3))
    deploy(listing, one, "rel-1", GOES_ON, SUCCESS)
    deploy(listing, two, "rel-2", state)
    assert listing.deployed(ENVIRONMENT) == [(one, "success")]
    deploy(listing, three, "rel-3", GOES_ON, state, state)
    assert listing.deployed(ENVIRONMENT)[0] == (three, state.value)
    assert listing.serves(ENVIRONMENT) == one


def test_what_waits_is_listed_where_the_host_has_a_word_for_it(listing):
    commit = listing.commit({"a": b"1"})
    deploy(listing, commit, "rel-1", QUEUED, QUEUED)
    waits = [] if isinstance(listing, OnGitLab) else [(commit, "queued")]
    assert listing.deployed(ENVIRONMENT) == waits


def test_what_waits_is_left_alone_by_what_succeeds_before_it(listing):
    one, two = listing.commit({"a": b"1"}), listing.commit({"a": b"2"})
    deploy(listing, one, "rel-1", GOES_ON)
    deploy(listing, two, "rel-2", QUEUED)
    deploy(listing, one, "rel-1", SUCCESS)
    assert (two, "inactive") not in listing.deployed(ENVIRONMENT)
    assert listing.serves(ENVIRONMENT) == one


def test_what_gave_way_while_it_waited_keeps_nothing_from_being_retired(listing):
    one, two, three = (listing.commit({"a": str(n).encode()}) for n in range(3))
    deploy(listing, one, "rel-1", GOES_ON, SUCCESS)
    deploy(listing, two, "rel-2", QUEUED, INACTIVE)
    deploy(listing, three, "rel-3", GOES_ON, SUCCESS)
    assert listing.serves(ENVIRONMENT) == three


def test_environments_have_nothing_to_do_with_each_other(listing):
    one, two = listing.commit({"a": b"1"}), listing.commit({"a": b"2"})
    deploy(listing, one, "rel-1", GOES_ON, SUCCESS)
    deploy(listing, two, "rel-2", GOES_ON, SUCCESS, environment="wine/staging")
    assert (listing.serves(ENVIRONMENT), listing.serves("wine/staging")) == (one, two)


def test_a_login_that_may_not_tells_nothing_and_why_is_known(listing):
    commit = listing.commit({"a": b"1"})
    assert listing.host.no_deployments() == ""
    listing.may_deploy(may=False)
    deploy(listing, commit, "rel-1", GOES_ON, SUCCESS)
    assert listing.deployed(ENVIRONMENT) == []
    assert "login" in listing.host.no_deployments()


def test_where_the_host_is_away_a_deployment_is_told_later(listing):
    commit = listing.commit({"a": b"1"})
    listing.vanish()
    with pytest.raises(Retry, match=r"gone|is not there"):
        deploy(listing, commit, "rel-1", GOES_ON)


# --- what is not there -----------------------------------------------------------------------


ASKED = {
    "tree": lambda host, commit: host.tree(commit),
    "file": lambda host, commit: host.file(commit, "a"),
    "author": lambda host, commit: host.author(commit),
    "committed": lambda host, commit: host.committed(commit),
    "archive": lambda host, commit: list(host.archive(commit, "")),
    "report": lambda host, commit: host.report(status(commit)),
}
NO_COMMITS = (
    "",
    "main",
    "HEAD",
    "-h",
    "--help",
    "abc",
    "A" * 40,
    f"{UNKNOWN}\n",
    f"{UNKNOWN}^",
    f"{UNKNOWN}:a",
    "g" * 40,
)


@pytest.mark.parametrize("question", ASKED)
def test_a_commit_that_is_not_there_is_refused(world, question):
    world.commit({"a": b"1"})
    with pytest.raises(Refused, match=f"no commit {UNKNOWN}"):
        ASKED[question](world.host, UNKNOWN)


@pytest.mark.parametrize("question", [*ASKED, "changed"])
def test_what_is_no_commits_id_is_refused(world, question):
    commit = world.commit({"a": b"1"})
    ask = ASKED.get(question) or (lambda host, name: host.changed(commit, name) or host.changed(name, commit))
    for name in NO_COMMITS:
        with pytest.raises(Refused, match="whole id"):
            ask(world.host, name)


ALL = ASKED | {
    "refs": lambda host, commit: host.refs(),
    "default_branch": lambda host, commit: host.default_branch(),
    "changed": lambda host, commit: host.changed(commit, commit),
}


@pytest.mark.parametrize("question", ALL)
def test_a_repository_that_cannot_be_reached_is_tried_again(world, question):
    commit = world.commit({"a": b"1"})
    world.vanish()
    with pytest.raises(Retry, match=r"gone|is not there"):
        ALL[question](world.host, commit)
