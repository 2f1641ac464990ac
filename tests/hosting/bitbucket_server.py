"""Bitbucket Data Center's REST API 1.0, as developer.atlassian.com describes it: what Segue asks, and refusals.

Errors are `{"errors": [{"message", "exceptionName"}]}`, and 401 is said to strangers and to who may not. Lists
say where the next page starts. A comment is changed only by its present version.
"""

from base64 import b64decode

from tests.hosting.server import ADMIN, READ, Answer, GitServer, Refusal

REPOSITORY = r"/projects/ML/repos/models"
PULL = rf"{REPOSITORY}/pull-requests/(\d+)"
GRANTS = {"REPO_READ": 1, "REPO_WRITE": 2, "REPO_ADMIN": 3}
LONGEST = 32_768


class BitbucketServer(GitServer):
    """The server, in a folder of its own address; whoever reads the repository may report and comment there."""

    root = "/git/rest/api/1.0/"

    def __init__(self, repository):
        super().__init__(repository)
        self.path = "git/scm/ML/models"
        self.statuses = {}  # (commit, key) to what was told last
        self.hooks = []
        self.pulls = []  # {"id", "state", "commits"}
        self.comments = {}  # number of a pull request to its comments, oldest first
        self.happened = []  # at every pull request, besides comments
        self.inactive = set()
        self.unlicensed = set()
        self._next = 0

    def answer(self, asked):
        return self.routes(asked, {
            ("GET", rf"{REPOSITORY}/default-branch"): self._default,
            ("GET", "/users"): self._users,
            ("GET", rf"{REPOSITORY}/commits/([0-9a-f]+)"): self._commit,
            ("POST", rf"{REPOSITORY}/commits/([0-9a-f]+)/builds"): self._status,
            ("GET", rf"{REPOSITORY}/commits/([0-9a-f]+)/pull-requests"): self._pulls,
            ("GET", rf"{PULL}/activities"): self._activities,
            ("POST", rf"{PULL}/comments"): self._comment,
            ("PUT", rf"{PULL}/comments/(\d+)"): self._change,
            ("GET", rf"{REPOSITORY}/webhooks"): self._list_hooks,
            ("POST", rf"{REPOSITORY}/webhooks"): self._make_hook,
            ("PUT", rf"{REPOSITORY}/webhooks/(\d+)"): self._change_hook,
            ("DELETE", rf"{REPOSITORY}/webhooks/(\d+)"): self._remove_hook,
        })  # fmt: skip

    def refused(self, refusal):
        name = f"com.atlassian.bitbucket.{getattr(refusal, 'name', 'ServerException')}"
        return {"errors": [{"context": None, "message": refusal.message, "exceptionName": name}]}

    def may_fetch(self, authorization):
        """Also the API's own header: a person's token is taken with that person's name alone, which nobody told."""
        if authorization.startswith("Bearer "):
            return self.tokens.get(authorization.removeprefix("Bearer "), 0) >= READ
        made_up = b64decode(authorization.removeprefix("Basic ")).startswith(b"x-token-auth:")
        return False if made_up else super().may_fetch(authorization)

    def values(self, asked, items):
        """One page of a list."""
        start, limit = int(asked.query.get("start", 0)), min(int(asked.query.get("limit", 25)), 100)
        told = {"size": len(items[start : start + limit]), "limit": limit, "start": start}
        following = start + limit if start + limit < len(items) else None
        told |= {"isLastPage": following is None, "nextPageStart": following}
        return Answer(200, told | {"values": items[start : start + limit]})

    def _need(self, asked, least):
        if asked.token not in self.tokens:
            raise named(401, "Authentication failed. Please check your credentials.", "auth.Failed")
        if not self.repository.folder.exists():
            raise named(404, "Repository ML/models does not exist.", "repository.NoSuchRepositoryException")
        if self.tokens[asked.token] < least:
            raise named(401, "You are not permitted to access this resource", "AuthorisationException")

    def _known(self, commit):
        if not self.has(commit):
            raise named(404, f"Commit '{commit}' does not exist", "commit.NoSuchCommitException")

    def _default(self, asked):
        self._need(asked, READ)
        name = self.head()
        return Answer(200, {"id": f"refs/heads/{name}", "displayId": name, "type": "BRANCH"} if name else {})

    def person(self, name):
        number = sum(name.encode())
        return {"name": name, "id": number, "slug": name.lower(), "displayName": f"Some {name} or other",
                "active": name not in self.inactive, "type": "NORMAL"}  # fmt: skip

    def _users(self, asked):
        """Filters of permissions that are not numbered from 1 on are dropped."""
        self._need(asked, READ)
        least, licensed, number = 0, False, 1
        while word := asked.query.get(f"permission.{number}"):
            where = [
                asked.query.get(f"permission.{number}.{key}") for key in ("projectKey", "repositorySlug")
            ]
            if word in GRANTS and where == ["ML", "models"]:
                least = GRANTS[word]
            elif word == "LICENSED_USER":
                licensed = True
            else:
                raise named(404, "There is no such project or permission", "NoSuchEntityException")
            number += 1
        found = [
            self.person(name)
            for name, grant in self.people.items()
            if GRANTS[grant] >= least
            and not (licensed and name in self.unlicensed)
            and asked.query.get("filter", "").lower() in self.person(name)["displayName"].lower()
        ]
        return self.values(asked, found)

    def _commit(self, asked, commit):
        self._need(asked, READ)
        self._known(commit)
        email = self.repository.git("show", "-s", "--format=%ae", commit).decode()
        login = self.author(commit)
        author = {"name": "As the Commit Says", "emailAddress": email}
        return Answer(200, {"id": commit, "author": self.person(login) if login else author})

    def _status(self, asked, commit):
        self._need(asked, READ)
        self._known(commit)
        told = asked.body
        if told["state"] not in {"INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED", "UNKNOWN"}:
            raise Refusal(400, "Please enter a valid state")
        if any(
            len(told[key]) > most
            for key, most in {"key": 255, "name": 255, "description": 255, "url": 450}.items()
        ):
            raise Refusal(400, "Please enter a value of less characters")
        self.statuses[commit, told["key"]] = told
        return Answer(204)

    def _pulls(self, asked, commit):
        self._need(asked, READ)
        self._known(commit)
        return self.values(asked, [one for one in self.pulls if commit in one["commits"]])

    def _activities(self, asked, number):
        """Newest first: what was said, and what else happened."""
        self._need(asked, READ)
        said = [
            {"id": one["id"], "action": "COMMENTED", "commentAction": "ADDED", "comment": one}
            for one in self.comments.get(number, [])
        ]
        return self.values(asked, [*self.happened, *said][::-1])

    def _checked(self, text):
        if not 0 < len(text) < LONGEST:
            raise Refusal(400, "Please enter a non-empty value less than 32768 characters")
        return text

    def _comment(self, asked, number):
        self._need(asked, READ)
        self._next += 1
        new = {"id": self._next, "version": 0, "text": self._checked(asked.body["text"])}
        self.comments.setdefault(number, []).append(new)
        return Answer(201, new)

    def _change(self, asked, number, comment):
        self._need(asked, READ)
        for one in self.comments.get(number, []):
            if one["id"] == int(comment):
                if asked.body.get("version", -1) != one["version"]:
                    outdated = "You are attempting to modify a comment based on out-of-date information."
                    raise named(409, outdated, "comment.CommentOutOfDateException")
                one.update(text=self._checked(asked.body["text"]), version=one["version"] + 1)
                return Answer(200, one)
        raise named(404, "There is no such comment", "comment.NoSuchCommentException")

    def _list_hooks(self, asked):
        self._need(asked, ADMIN)
        return self.values(asked, [{**hook, "configuration": {}} for hook in self.hooks])

    def _make_hook(self, asked):
        self._need(asked, ADMIN)
        self._next += 1
        self.hooks.append({"id": self._next, **asked.body})
        return Answer(201, self.hooks[-1])

    def _change_hook(self, asked, number):
        self._need(asked, ADMIN)
        hook = next((hook for hook in self.hooks if hook["id"] == int(number)), None)
        if hook is None:
            raise named(404, "There is no such webhook", "webhook.NoSuchWebhookException")
        hook.update(asked.body)
        return Answer(200, hook)

    def _remove_hook(self, asked, number):
        self._need(asked, ADMIN)
        self.hooks = [hook for hook in self.hooks if hook["id"] != int(number)]
        return Answer(204)


def named(status, message, name):
    """A refusal with the name of its exception, which tells a stranger's 401 from another's."""
    refusal = Refusal(status, message)
    refusal.name = name
    return refusal
