"""Real bare repositories for tests, written to by git itself without any settings of this machine."""

import os
import subprocess

from service.adapters.bare_git import BareGit
from service.ports.connections import Source
from service.settings import Settings


def git(*words, cwd, data=b"", check=True, env=()):
    """What git prints, run with an environment of its own."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "ann",
        "GIT_AUTHOR_EMAIL": "ann@example.org",
        "GIT_COMMITTER_NAME": "ann",
        "GIT_COMMITTER_EMAIL": "ann@example.org",
        **dict(env),
    }
    done = subprocess.run(["git", *words], cwd=cwd, env=environ, input=data, capture_output=True, check=False)
    assert not check or done.returncode == 0, (words, done.stderr)
    return done.stdout.strip() if check else done


class Repository:
    """A bare repository below `root`, whose commits may hold anything that Git can store."""

    def __init__(self, root, name="models.git"):
        self.folder = root / name
        self.source = Source("repo", "bare", str(self.folder))
        self.settings = Settings(home=root / "home", git_roots=(root,))
        root.mkdir(parents=True, exist_ok=True)
        git("init", "--bare", "-b", "main", str(self.folder), cwd=root)

    @property
    def host(self):
        return BareGit.open(self.settings, self.source)

    def git(self, *words, **options):
        return git(*words, cwd=self.folder, **options)

    def config(self, name, value):
        self.git("config", name, value)

    def commit(self, files, ref="refs/heads/main", author="ann", modes=None):
        """Change these files (None removes one) on top of the reference; the new commit."""
        before = self.git("rev-parse", "--verify", "--quiet", ref, check=False).stdout.strip()
        who = f"{author} <{author}@example.org> 1700000000 +0000".encode()
        lines = [b"commit " + ref.encode(), b"author " + who, b"committer " + who, b"data 1\nx"]
        lines += [b"from " + before] if before else []
        for path, content in files.items():
            lines.append(_change(path, content, (modes or {}).get(path, 0o100644)))
        self.git("fast-import", "--quiet", "--force", data=b"\n".join(lines) + b"\n")
        return self.git("rev-parse", ref).decode()

    def clone(self, name):
        """A working copy beside it; where it lies."""
        git("clone", "--quiet", str(self.folder), name, cwd=self.folder.parent)
        return self.folder.parent / name


def push(clone, files, *words):
    """Commit these files in a working copy and push; what `git push` said."""
    for path, content in files.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_bytes(content)
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--allow-empty", "-m", "x", cwd=clone)
    done = git("push", "origin", *(words or ("HEAD:main",)), cwd=clone, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.decode(errors="replace")


def _change(path, content, mode):
    quoted = '"' + "".join(f"\\{byte:03o}" for byte in os.fsencode(path)) + '"'
    if content is None:
        return f"D {quoted}".encode()
    if mode == 0o160000:
        return f"M 160000 {content.decode()} {quoted}".encode()
    return f"M {mode:o} inline {quoted}\ndata {len(content)}\n".encode() + content
