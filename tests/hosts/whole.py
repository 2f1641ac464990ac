"""An installation whose models lie in a real Gitea, and what is asked of both."""

import json

from service.demo.place import segue
from tests.installation import Installation
from tests.repositories import git
from tests.running import wait_until

NEVER = "80000"  # seconds between two sweeps
SECONDS = 150  # that a release may take beside other work on this machine


def eventually(true):
    """Wait for a condition, beside other work on this machine."""
    wait_until(true, SECONDS)


class OnGitea:
    """An installation whose models lie in a repository of Gitea's."""

    def __init__(self, gitea, root, **environ):
        self.gitea = gitea
        self.name = gitea.repository(private=True)
        self.installation = Installation(root, **environ).start()
        examples = root / "examples"
        examples.mkdir()
        self.installation.repository.make(examples)
        self.git("remote", "set-url", "origin", gitea.remote(self.name))

    def git(self, *words):
        return git(*words, cwd=self.installation.place.work)

    def connect(self, token):
        """Connect it with that login; what was said."""
        login = self.installation.place.home / "secrets" / "login-models"
        login.write_text(f"{token}\n")
        login.chmod(0o600)
        url = f"{self.gitea.url}/{self.name}"
        return json.loads(
            segue(self.installation.place, "connect", "gitea", url, "--name", "models", "--json")
        )["told"]

    def api(self, method, path, body=None, user="ada"):
        return self.gitea.api(method, f"/repos/{self.name}{path}", body, user)

    def statuses(self, commit):
        """The newest state of each context, as the page shows them."""
        return {one["context"]: one for one in self.api("GET", f"/commits/{commit}/status")["statuses"] or ()}

    def comments(self, pull):
        """What is said on a pull request; one empty text where nothing is said yet."""
        return [one["body"] for one in self.api("GET", f"/issues/{pull}/comments")] or [""]

    def release(self, commit):
        """The commit's release as it stands; an empty one where there is none yet."""
        return next(iter(self.installation.releases(commit)), {})

    def merged(self, branch):
        """Have a pull request of the branch merged; its number, and the commit that it became."""
        pull = self.api("POST", "/pulls", {"head": branch, "base": "main", "title": branch})["number"]
        eventually(lambda: self.api("GET", f"/pulls/{pull}")["mergeable"])
        self.api("POST", f"/pulls/{pull}/merge", {"Do": "merge"})
        return pull, self.api("GET", f"/pulls/{pull}")["merge_commit_sha"]
