"""Bitbucket Cloud's API 2.0, as developer.atlassian.com describes it: what Segue asks of it, and its refusals.

Errors are `{"type": "error", "error": {"message": ...}}`; lists are objects with `values` and `next`.
"""

from tests.hosting.server import ADMIN, ELSEWHERE, READ, WRITE, Answer, GitServer, Refusal

REPOSITORY = r"/repositories/acme/models"
HOOKED = r"(?:/repositories/acme/models|/workspaces/acme)"
TIP = "1f0c" * 10


class Bitbucket(GitServer):
    """The server; pull requests of commits are kept only once the workspace asked for it."""

    root = "/2.0/"

    def __init__(self, repository):
        super().__init__(repository)
        self.statuses = {}  # (commit, key) to what was told last
        self.hooks = []
        self.pulls = None  # {"id", "state", "commits"}; None: not kept
        self.comments = {}  # place to its comments
        self.organised = {}  # full name to what the workspace's list says of it, and its `files`
        self.costly = False  # whether a listing takes too long
        self._next = 0

    def answer(self, asked):
        return self.routes(asked, {
            ("GET", REPOSITORY): self._repository,
            ("GET", r"/workspaces/acme/permissions/repositories/models"): self._permissions,
            ("POST", rf"{REPOSITORY}/commit/([0-9a-f]+)/statuses/build"): self._status,
            ("GET", rf"{REPOSITORY}/commit/([0-9a-f]+)/pullrequests"): self._pulls,
            ("GET", rf"{REPOSITORY}/((?:commit|pullrequests|issues)/\w+)/comments"): self._list_comments,
            ("POST", rf"{REPOSITORY}/((?:commit|pullrequests|issues)/\w+)/comments"): self._comment,
            ("PUT", rf"{REPOSITORY}/((?:commit|pullrequests|issues)/\w+)/comments/(\d+)"): self._change,
            ("GET", rf"{HOOKED}/hooks"): self._list_hooks,
            ("POST", rf"{HOOKED}/hooks"): self._make_hook,
            ("PUT", rf"{HOOKED}/hooks/([^/]+)"): self._change_hook,
            ("DELETE", rf"{HOOKED}/hooks/([^/]+)"): self._remove_hook,
            ("GET", r"/repositories/acme"): self._of_workspace,
            ("GET", r"/repositories/(acme/[^/]+)"): self._organised,
            ("GET", r"/repositories/(acme/[^/]+)/refs/branches"): self._branches,
            ("GET", r"/repositories/(acme/[^/]+)/src/([0-9a-f]+)/"): self._files,
        })  # fmt: skip

    def refused(self, refusal):
        return {"type": "error", "error": {"message": refusal.message}}

    def values(self, asked, items):
        """One page of a list."""
        size, number = min(int(asked.query.get("pagelen", 10)), 100), int(asked.query.get("page", 1))
        told = {"pagelen": size, "page": number, "values": items[(number - 1) * size : number * size]}
        if number * size < len(items):
            told["next"] = f"{ELSEWHERE}{asked.path}?page={number + 1}"
        return Answer(200, told)

    def _need(self, asked, least):
        if asked.token and asked.token not in self.tokens:
            raise Refusal(401, "Token is invalid or not supported for this endpoint.")
        if self.tokens.get(asked.token, 0) < READ or not self.repository.folder.exists():
            raise Refusal(404, "You may not have access to this repository or it no longer exists.")
        if self.tokens[asked.token] < least:
            raise Refusal(403, "Your credentials lack one or more required privilege scopes.")

    def _known(self, commit):
        if not self.has(commit):
            raise Refusal(404, f"Commit not found: {commit}")

    def _repository(self, asked):
        self._need(asked, READ)
        name = self.head()
        return Answer(200, {"full_name": self.path, "mainbranch": {"name": name} if name else None})

    def _permissions(self, asked):
        self._need(asked, ADMIN)
        people = self.people.items()
        return self.values(asked, [{"user": {"account_id": who}, "permission": may} for who, may in people])

    def _status(self, asked, commit):
        self._need(asked, WRITE)
        self._known(commit)
        told = asked.body
        if told["state"] not in {"INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"} or len(told["key"]) > 40:
            raise Refusal(400, "Bad request")
        if not told["url"].startswith(("http://", "https://")) or len(told["description"]) > 255:
            raise Refusal(400, "Bad request")
        self.statuses[commit, told["key"]] = told
        return Answer(201, told)

    def _pulls(self, asked, commit):
        self._need(asked, READ)
        self._known(commit)
        if self.pulls is None:
            raise Refusal(404, "The pull requests of commits have not been indexed yet.")
        return self.values(asked, [one for one in self.pulls if commit in one["commits"]])

    def _list_comments(self, asked, place):
        self._need(asked, READ)
        return self.values(asked, self.comments.get(place, []))

    def _comment(self, asked, place):
        self._need(asked, READ)
        self._next += 1
        new = {"id": self._next, "content": asked.body["content"]}
        self.comments.setdefault(place, []).append(new)
        return Answer(201, new)

    def _change(self, asked, place, number):
        self._need(asked, READ)
        for comment in self.comments.get(place, []):
            if comment["id"] == int(number):
                comment["content"] = asked.body["content"]
                return Answer(200, comment)
        raise Refusal(404, "Not found")

    def _list_hooks(self, asked):
        self._need(asked, ADMIN)
        shown = [{key: value for key, value in hook.items() if key != "secret"} for hook in self.hooks]
        return self.values(asked, shown)

    def _make_hook(self, asked):
        self._need(asked, ADMIN)
        self._next += 1
        self.hooks.append({"uuid": f"{{{self._next}}}", **asked.body})
        return Answer(201, self.hooks[-1])

    def _change_hook(self, asked, uuid):
        self._need(asked, ADMIN)
        hook = next((hook for hook in self.hooks if hook["uuid"] == uuid), None)
        if hook is None:
            raise Refusal(404, "Not found")
        hook.update(asked.body)
        return Answer(200, hook)

    def _remove_hook(self, asked, uuid):
        self._need(asked, ADMIN)
        self.hooks = [hook for hook in self.hooks if hook["uuid"] != uuid]
        return Answer(204)

    # --- a workspace ------------------------------------------------------------------------------

    def _of_workspace(self, asked):
        self._need(asked, READ)
        assert asked.query["sort"] == "-updated_on"
        return self.values(
            asked, sorted(self.organised.values(), key=lambda one: one["updated_on"], reverse=True)
        )

    def _known_here(self, asked, path):
        self._need(asked, READ)
        if path not in self.organised:
            raise Refusal(404, f"Repository {path} not found")
        return self.organised[path]

    def _organised(self, asked, path):
        return Answer(200, self._known_here(asked, path))

    def _branches(self, asked, path):
        main = self._known_here(asked, path)["mainbranch"]["name"]
        assert asked.query["q"] == f'name="{main}"'
        return self.values(asked, [{"name": main, "target": {"hash": TIP}}])

    def _files(self, asked, path, commit):
        files = self._known_here(asked, path)["files"]
        assert commit == TIP
        if self.costly:
            raise Refusal(555, "The listing took too long.")
        depth = int(asked.query.get("max_depth", 1))
        folders = {one.rpartition("/")[0] for one in files} - {""}
        listed = [{"type": "commit_directory", "path": one} for one in sorted(folders)]
        listed += [{"type": "commit_file", "path": one} for one in files]
        return self.values(asked, [one for one in listed if one["path"].count("/") < depth])
