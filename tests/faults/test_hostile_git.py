"""S4: repositories and names made to run something, read something or go somewhere when git is asked about them."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from service.adapters.bare_git import BareGit
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus
from service.ports.outcomes import PortError
from service.settings import Settings
from tests.faults.harness import told

pytestmark = pytest.mark.faults
LEAST = 40
GIT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
WHO = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]

# What a repository's own settings may name as a program; `{run}` is one that leaves a mark.
SETTINGS = {
    "core.fsmonitor": "{run}",
    "core.sshCommand": "{run}",
    "core.gitProxy": "{run}",
    "core.askPass": "{run}",
    "core.editor": "{run}",
    "core.pager": "{run}",
    "core.hooksPath": "{folder}",
    "core.alternateRefsCommand": "{run}",
    "core.attributesFile": "{folder}/attributes",
    "core.excludesFile": "/etc/passwd",
    "core.worktree": "/",
    "credential.helper": "!{run}",
    "diff.external": "{run}",
    "diff.x.command": "{run}",
    "diff.x.textconv": "{run}",
    "filter.x.smudge": "{run}",
    "filter.x.clean": "{run}",
    "filter.x.process": "{run}",
    "gpg.program": "{run}",
    "gpg.ssh.program": "{run}",
    "gpg.ssh.defaultKeyCommand": "{run}",
    "log.showSignature": "true",
    "merge.x.driver": "{run}",
    "pager.for-each-ref": "{run}",
    "pager.cat-file": "{run}",
    "pager.ls-tree": "{run}",
    "alias.cat-file": "!{run}",
    "alias.for-each-ref": "!{run}",
    "protocol.ext.allow": "always",
    "remote.origin.url": "ext::{run}",
    "remote.origin.uploadpack": "{run}",
    "remote.origin.promisor": "true",
    "extensions.partialClone": "origin",
    "url.ext::{run}.insteadOf": "https://",
    "uploadpack.packObjectsHook": "{run}",
    "include.path": "{folder}/more",
    "includeIf.gitdir:/.path": "{folder}/more",
    "notes.rewriteRef": "refs/notes/*",
    "trailer.x.command": "{run}",
    "http.proxy": "http://127.0.0.1:{port}",
    "submodule.recurse": "true",
    "fetch.recurseSubmodules": "true",
}
# Names where a commit or a path is asked for.
NAMES = (
    "--upload-pack={run}", "--output={mark}", "-O{run}", "--exec={run}", "--help", "-h", "--", "--all", "--stdin",
    "HEAD", "main", "refs/heads/main", "main:segue.yaml", "HEAD^{{tree}}", "@{{u}}", ":/", ":(attr:x)",
    "main..main", "../../etc/passwd", "/etc/passwd", "a\nb", "a\0b", "$({run})", "`{run}`", ";{run}", "|{run}",
    "ext::{run}", "file:///etc", "http://127.0.0.1:{port}/x", "http://[::1]:{port}/x", "%2e%2e/", "a" * 100_000,
    "ａ" * 40, "0" * 39, "0" * 41, "G" * 40,
)  # fmt: skip
PATHS = (
    "../../../../etc/passwd", "/etc/passwd", ".git/config", "a/../../x", "link", "link/passwd", "sub", "sub/x",
    ":(glob)**", ":!x", "-p", "--textconv", "a\0b", "a\nb", "*", "segue.yaml\0/etc/passwd",
)  # fmt: skip


def git(folder, *words, data=None):
    done = subprocess.run(
        ["git", *WHO, *words], cwd=folder, env=GIT, input=data, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


@pytest.fixture
def listener():
    """Somebody whom nobody should call; how often it was called."""
    server, calls = socket.create_server(("127.0.0.1", 0)), []

    def listen():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            calls.append(1)
            connection.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield server.getsockname()[1], calls
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture
def trap(tmp_path, listener):
    """What fills the blanks: a program that leaves a mark, the mark, a folder with more of the same."""
    port, calls = listener
    mark, run = tmp_path / "mark", tmp_path / "run"
    run.write_text(f"#!/bin/sh\necho ran >> {mark}\n")
    run.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    for hook in ("post-index-change", "reference-transaction", "pre-auto-gc", "update", "post-checkout"):
        (folder / hook).write_text(run.read_text())
        (folder / hook).chmod(0o755)
    (folder / "more").write_text(f"[core]\n\tfsmonitor = {run}\n[alias]\n\tcat-file = !{run}\n")
    (folder / "attributes").write_text("* diff=x filter=x\n")
    return {"run": run, "mark": mark, "folder": folder, "port": port}, calls


def made(root):
    """A bare repository with links, a submodule, attributes and odd references; its folder and commits."""
    work, bare = root / "work", root / "hostile.git"
    work.mkdir()
    git(work, "init", "-q")
    (work / "segue.yaml").write_text("name: x\n")
    (work / ".gitattributes").write_text("* diff=x filter=x merge=x\n")
    (work / ".gitmodules").write_text('[submodule "x"]\n\tpath = sub\n\turl = ext::sh -c id\n')
    (work / "link").symlink_to("/etc")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "one")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{git(work, 'rev-parse', 'HEAD')},sub")
    git(work, "commit", "-qm", "two")
    git(root, "clone", "-q", "--bare", str(work), str(bare))
    second = git(work, "rev-parse", "HEAD")
    for name in ("--upload-pack=x", "a'b", "x;id", "$(id)", "-c", "ünï"):
        (bare / "refs" / "heads" / name).write_text(second + "\n")
    (bare / "refs" / "heads" / "away").symlink_to("/etc/hostname")
    (bare / "refs" / "heads" / "broken").write_text("ref: /etc/passwd\n")
    return bare, git(work, "rev-parse", "HEAD~1"), second


def reader(bare):
    settings = Settings(home=bare.parent / "home", git_roots=(bare.parent,))
    return BareGit.open(settings, Source("git", "bare", str(bare)))


def ask_everything(host, first, second):
    """Every question of the port; refusals are answers, too."""
    answers = []
    for question in (
        host.refs,
        host.default_branch,
        lambda: host.tree(second),
        lambda: host.file(second, "segue.yaml"),
        lambda: host.file(second, "link"),
        lambda: host.author(second),
        lambda: host.committed(second),
        lambda: host.changed(first, second),
        lambda: list(host.archive(second, "")),
        lambda: host.report(CommitStatus(second, "k", CommitState.SUCCESS, "t", "x")),
    ):
        try:
            answers.append(question())
        except PortError as reason:
            answers.append(str(reason))
    return answers


def secret_of(answers):
    """What no answer may hold: a file of this machine."""
    passwd = Path("/etc/passwd").read_text().splitlines()[0]
    return passwd in str(answers)


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_of_a_repository_runs_or_calls_anything(tmp_path, trap, setting):
    words, calls = trap
    bare, first, second = made(tmp_path)
    git(bare, "config", setting.format(**words), SETTINGS[setting].format(**words))
    answers = ask_everything(reader(bare), first, second)
    assert not words["mark"].exists()
    assert not calls
    assert not secret_of(answers)


def test_no_name_of_a_commit_or_path_reads_or_runs_anything(tmp_path, trap):
    words, calls = trap
    bare, first, second = made(tmp_path)
    host, asked = reader(bare), 0
    for name in (one.format(**words) for one in NAMES):
        for question in (
            host.tree,
            host.author,
            lambda n: host.file(n, "segue.yaml"),
            lambda n: host.archive(n, ""),
        ):
            asked += 1
            with pytest.raises(PortError):
                list(question(name) or ())
        with pytest.raises(PortError):
            host.changed(first, name)
    for path in PATHS:
        asked += 1
        try:
            answer = host.file(second, path)
        except PortError as reason:
            answer = str(reason)
        assert not secret_of(answer), path
    told("hostile names", asked=asked, marks=int(words["mark"].exists()), calls=len(calls))
    assert not words["mark"].exists()
    assert not calls


def test_there_are_enough_of_them():
    assert len(SETTINGS) + len(NAMES) + len(PATHS) >= LEAST


def test_the_trap_is_one(tmp_path, trap):
    """The same repository does run something where git is asked without Segue's care."""
    words, _ = trap
    bare, _, _ = made(tmp_path)
    git(bare, "config", "alias.x", f"!{words['run']}")
    git(bare, "x")
    assert words["mark"].exists()
