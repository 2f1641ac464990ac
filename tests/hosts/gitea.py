"""A real Gitea on a free port of this machine, with users, tokens and repositories of the test's own."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import requests

from tests.running import free_port, wait_until

CONFIG = """
RUN_MODE = prod

[server]
PROTOCOL = http
HTTP_ADDR = {address}
HTTP_PORT = {port}
ROOT_URL = {root}/
LOCAL_ROOT_URL = http://{address}:{port}/
PUBLIC_URL_DETECTION = never
DISABLE_SSH = true
OFFLINE_MODE = true

[database]
DB_TYPE = sqlite3

[security]
INSTALL_LOCK = true
SECRET_KEY = of-a-server-for-tests
INTERNAL_TOKEN = of-a-server-for-tests
PASSWORD_HASH_ALGO = pbkdf2_v2

[service]
DISABLE_REGISTRATION = true

[webhook]
ALLOWED_HOST_LIST = loopback, private

[repository]
DEFAULT_BRANCH = main

[actions]
ENABLED = false

[packages]
ENABLED = false

[cron]
ENABLED = false

[queue]
TYPE = channel

[session]
PROVIDER = memory

[log]
MODE = console
LEVEL = Warn

[mailer]
ENABLED = false
"""
SCOPES = "write:repository,write:issue,read:organization"  # as docs/how-to/connect-git-hosts.md asks for


class Gitea:
    """The server; `ada` is its administrator. Repositories and hooks have addresses that nobody can reach, as
    behind a proxy: only the one that is listened on, at `address`, leads there."""

    def __init__(
        self, built: Path, folder: Path, address: str = "127.0.0.1", root: str = "http://git.example.test"
    ) -> None:
        self.url = ""
        self._root = root  # with {port} in it for the address that it listens on, as logins need
        self._program = built / "gitea"
        self._built = built
        self._address = address
        self._folder = folder
        self._process = None
        self._numbers = itertools.count(1)
        self._tokens = {}
        self._people = set()

    def start(self):
        """Make its database and its first user, start it, and wait until it answers."""
        for name in ("templates", "options", "public"):
            shutil.copytree(self._built / name, self._folder / name)
        port = free_port()
        (self._folder / "custom" / "conf").mkdir(parents=True)
        (self._folder / "custom" / "conf" / "app.ini").write_text(
            CONFIG.format(address=self._address, port=port, root=self._root.format(port=port))
        )
        self.url = f"http://{self._address}:{port}"
        self.run("migrate")
        self.user("ada", "--admin")
        return self.run_on()

    def run_on(self):
        """Run it, for the first time or again, with all that it knows."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "web"], env=self._environ(), cwd=self._folder, stdout=log, stderr=log
            )
        wait_until(self._answers, 60)
        return self

    def stop(self):
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def run(self, *words):
        """One of its own commands; what it printed."""
        done = subprocess.run(
            [self._program, *words],
            env=self._environ(),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def user(self, name, *options):
        """Make a user; the password is the name twice."""
        self.run("admin", "user", "create", "--username", name, "--password", name * 3, "--email",
                 f"{name}@example.test", "--must-change-password=false", *options)  # fmt: skip

    def person(self, name, full_name=""):
        """A user who is not there yet, or is."""
        if name not in self._people:
            self._people.add(name)
            told = {"username": name, "full_name": full_name, "email": f"{name}@example.test",
                    "password": name * 3, "must_change_password": False}  # fmt: skip
            self.api("POST", "/admin/users", told)

    def on_disk(self, repository):
        """The folder of a repository."""
        return self._folder / "data" / "gitea-repositories" / f"{repository}.git"

    def token(self, user="ada", scopes=SCOPES):
        """A token of the user."""
        if (user, scopes) not in self._tokens:
            printed = self.run("admin", "user", "generate-access-token", "--username", user, "--token-name",
                               f"t{next(self._numbers)}", "--scopes", scopes, "--raw")  # fmt: skip
            self._tokens[user, scopes] = printed.split()[-1]  # warnings go before it
        return self._tokens[user, scopes]

    def api(self, method, path, body=None, user="ada"):
        """What its API answers to a person, by name and password."""
        answer = requests.request(
            method, f"{self.url}/api/v1{path}", json=body, auth=(user, user * 3), timeout=30
        )
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def repository(self, organisation=None, **more):
        """A new empty repository, of ada's or of an organisation; its full name."""
        name = f"models-{next(self._numbers)}"
        where = f"/orgs/{organisation}/repos" if organisation else "/user/repos"
        return self.api("POST", where, {"name": name, **more})["full_name"]

    def organisation(self):
        """A new organisation of ada's; its name."""
        name = f"acme-{next(self._numbers)}"
        return self.api("POST", "/orgs", {"username": name})["username"]

    def remote(self, repository, user="ada"):
        """What git pushes to, as that user."""
        return f"{self.url.replace('://', f'://{user}:{user * 3}@')}/{repository}.git"

    def _environ(self):
        kept = {name: os.environ[name] for name in ("PATH",)}
        home = {"GITEA_WORK_DIR": str(self._folder), "HOME": str(self._folder)}
        return kept | home | {"GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true"}

    def _answers(self):
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            return requests.get(f"{self.url}/api/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False
