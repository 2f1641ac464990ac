"""GitLab's API v4, as docs.gitlab.com describes it: what Segue asks of it, with its limits and refusals.

Its repository is `acme/models` of the project whose path is encoded as one part of an address. A project
that a token may not see is 404; a status that is set to the state it has is 400; a comment on a commit is
changed as a note of its discussion.
"""

from tests.hosting.server import ADMIN, READ, WRITE, Answer, GitServer, Refusal

PROJECT = r"/projects/acme%2Fmodels"
HOOKED = r"(?:/projects/acme%2Fmodels|/groups/acme)"
# From each state of a status those that a request may set.
FINAL = {"success", "failed", "canceled"}


class GitLab(GitServer):
    """The server."""

    root = "/api/v4/"

    def __init__(self, repository):
        super().__init__(repository)
        self.statuses = {}  # (commit, name) to what was told last
        self.hooks = []
        self.merge_requests = []  # {"iid", "state", "commits"}
        self.comments = {}  # place to its notes
        self.inactive = set()
        self.deployments = []  # the newest first
        self.environments = {}  # name to what is known of it
        self.deploys = True  # whether the token's own member is a developer, as the project tells it
        self.organised = {}  # full name to what the group's list says of it, and its `files`
        self.events = []  # what was sent to hooks, the newest first
        self.taken = False  # whether somebody takes what is sent again
        self._next = 0

    def answer(self, asked):
        return self.routes(asked, {
            ("GET", PROJECT): self._one,
            ("GET", r"/users"): self._users,
            ("GET", rf"{PROJECT}/members/all/(\d+)"): self._member,
            ("GET", r"/groups/([^/]+)/members/all/(\d+)"): self._member_of_group,
            ("POST", rf"{PROJECT}/statuses/([0-9a-f]+)"): self._status,
            ("GET", rf"{PROJECT}/deployments"): self._list_deployments,
            ("POST", rf"{PROJECT}/deployments"): self._deploy,
            ("PUT", rf"{PROJECT}/deployments/(\d+)"): self._change_deployment,
            ("PUT", rf"{PROJECT}/environments/(\d+)"): self._change_environment,
            ("GET", rf"{PROJECT}/repository/commits/([0-9a-f]+)/merge_requests"): self._merge_requests,
            ("GET", rf"{PROJECT}/repository/(commits/[0-9a-f]+)/discussions"): self._list_discussions,
            ("POST", rf"{PROJECT}/repository/(commits/[0-9a-f]+)/discussions"): self._discuss,
            ("PUT", rf"{PROJECT}/repository/(commits/[0-9a-f]+)/discussions/(\w+)/notes/(\d+)"): self._change_said,
            ("GET", rf"{PROJECT}/((?:merge_requests|issues)/\d+)/notes"): self._list_notes,
            ("POST", rf"{PROJECT}/((?:merge_requests|issues)/\d+)/notes"): self._note,
            ("PUT", rf"{PROJECT}/((?:merge_requests|issues)/\d+)/notes/(\d+)"): self._change_note,
            ("GET", rf"{HOOKED}/hooks"): self._list_hooks,
            ("POST", rf"{HOOKED}/hooks"): self._make_hook,
            ("PUT", rf"{HOOKED}/hooks/(\d+)"): self._change_hook,
            ("DELETE", rf"{HOOKED}/hooks/(\d+)"): self._remove_hook,
            ("GET", rf"{HOOKED}/hooks/(\d+)/events"): self._list_events,
            ("POST", rf"{HOOKED}/hooks/(\d+)/events/(\d+)/resend"): self._resend,
            ("GET", r"/groups/acme/projects"): self._list_projects,
            ("GET", r"/projects/([^/]+)"): self._of_group,
            ("GET", r"/projects/([^/]+)/repository/tree"): self._tree,
        })  # fmt: skip

    def _need(self, asked, least):
        if asked.token and asked.token not in self.tokens:
            raise Refusal(401, "401 Unauthorized")
        if self.tokens.get(asked.token, 0) < READ or not self.repository.folder.exists():
            raise Refusal(404, "404 Project Not Found")
        if self.tokens[asked.token] < least:
            raise Refusal(403, "403 Forbidden")

    def _known(self, commit):
        if not self.has(commit):
            raise Refusal(404, "404 Commit Not Found")

    def _one(self, asked):
        self._need(asked, READ)
        level = {"access_level": 40 if self.deploys else 20}
        permissions = {"project_access": level, "group_access": None}
        told = {"path_with_namespace": self.path, "default_branch": self.head(), "permissions": permissions}
        return Answer(200, told)

    def _users(self, asked):
        """Those of one name, whatever its case; a list of none where there is nobody."""
        self._need(asked, READ)
        numbers = enumerate(self.people, 1)
        wanted = asked.query["username"].lower()
        return Answer(200, [
            {"id": number, "username": login, "state": "blocked" if login in self.inactive else "active"}
            for number, login in numbers if login.lower() == wanted
        ])  # fmt: skip

    def _member(self, asked, number):
        self._need(asked, READ)
        levels = list(self.people.values())
        if int(number) > len(levels) or not levels[int(number) - 1]:
            raise Refusal(404, "404 Not found")
        return Answer(200, {"id": int(number), "access_level": levels[int(number) - 1], "state": "active"})

    def _member_of_group(self, asked, group, number):
        """`members/all`: of the group, or of one above it."""
        self._need(asked, READ)
        login = list(self.people)[int(number) - 1]
        above = [group[:at] for at in range(len(group) + 1) if group[at : at + 1] in {"/", ""}]
        if not any(login in self.groups.get(one, ()) for one in above):
            raise Refusal(404, "404 Not found")
        return Answer(200, {"id": int(number), "access_level": 30, "state": "active"})

    def _status(self, asked, commit):
        self._need(asked, WRITE)
        self._known(commit)
        told = asked.body
        before = self.statuses.get((commit, told["name"]))
        if told["state"] not in {"pending", "running", *FINAL}:
            raise Refusal(400, "state does not have a valid value")
        if len(told.get("description") or "") > 255:
            raise Refusal(400, {"description": ["is too long (maximum is 255 characters)"]})
        if before and before["state"] == told["state"] and told["state"] not in FINAL:
            raise Refusal(400, 'Cannot transition status via :enqueue from :pending (Reason(s): Status cannot '
                               'transition via "enqueue")')  # fmt: skip
        self.statuses[commit, told["name"]] = told
        return Answer(201, {"sha": commit, **told})

    def _list_deployments(self, asked):
        self._need(asked, READ)
        name = asked.query.get("environment")
        found = [one for one in self.deployments if name in {None, one["environment"]["name"]}]
        descending = (asked.query.get("order_by", "id"), asked.query.get("sort", "asc")) == ("id", "desc")
        return self.page(asked, found if descending else found[::-1], 20, 100)

    def _deploy(self, asked):
        self._may_deploy(asked)
        told = asked.body
        if {"environment", "sha", "ref", "tag", "status"} - set(told):
            raise Refusal(400, "sha is missing")
        if told["status"] not in {"running", *FINAL} or not (
            self.has(told["sha"]) and told["ref"] == self.head()
        ):
            raise Refusal(400, "status does not have a valid value")
        name = told["environment"]
        known = {"id": len(self.environments) + 1, "name": name, "external_url": None}
        environment = self.environments.setdefault(name, known)
        new = {"id": self._number(), **told, "environment": environment, "deployable": None}
        self.deployments.insert(0, new)
        return Answer(201, new)

    def _change_deployment(self, asked, number):
        """To the state that it has, or from an end to `running`, there is no way."""
        self._may_deploy(asked)
        one = next((one for one in self.deployments if one["id"] == int(number)), None)
        if one is None:
            raise Refusal(404, "404 Not found")
        if one["deployable"]:
            raise Refusal(403, "Deployments created using GitLab CI can not be updated using the API")
        if asked.body["status"] in {one["status"], "running"}:
            raise Refusal(400, {"status": ["cannot transition"]})
        one["status"] = asked.body["status"]
        return Answer(200, one)

    def _change_environment(self, asked, number):
        self._may_deploy(asked)
        one = next((one for one in self.environments.values() if one["id"] == int(number)), None)
        if one is None:
            raise Refusal(404, "404 Environment Not Found")
        one["external_url"] = asked.body["external_url"]
        return Answer(200, one)

    def _may_deploy(self, asked):
        self._need(asked, WRITE)
        if not self.deploys:
            raise Refusal(403, "403 Forbidden")

    def _merge_requests(self, asked, commit):
        self._need(asked, READ)
        self._known(commit)
        return self.page(asked, [one for one in self.merge_requests if commit in one["commits"]], 20, 100)

    def _list_discussions(self, asked, place):
        self._need(asked, READ)
        threads = [{"id": f"d{note['id']}", "notes": [note]} for note in self.comments.get(place, [])]
        return self.page(asked, threads, 20, 100)

    def _discuss(self, asked, place):
        self._need(asked, READ)
        self._known(place.partition("/")[2])
        note = self._add(asked, place)
        return Answer(201, {"id": f"d{note['id']}", "notes": [note]})

    def _change_said(self, asked, place, thread, number):
        if thread != f"d{number}":
            raise Refusal(404, "404 Discussion Not Found")
        return self._change_note(asked, place, number)

    def _list_notes(self, asked, place):
        self._need(asked, READ)
        notes = self.comments.get(place, [])
        return self.page(asked, notes if asked.query.get("sort") == "asc" else notes[::-1], 20, 100)

    def _note(self, asked, place):
        self._need(asked, READ)
        return Answer(201, self._add(asked, place))

    def _change_note(self, asked, place, number):
        self._need(asked, READ)
        for note in self.comments.get(place, []):
            if note["id"] == int(number):
                note["body"] = asked.body["body"]
                return Answer(200, note)
        raise Refusal(404, "404 Not found")

    def _add(self, asked, place):
        text = asked.body.get("body")
        if not text or len(text) > 1_000_000:
            raise Refusal(400, "body is missing or too long")
        note = {"id": self._number(), "body": text}
        self.comments.setdefault(place, []).append(note)
        return note

    def _list_hooks(self, asked):
        self._need(asked, ADMIN)
        shown = [{key: value for key, value in hook.items() if key != "token"} for hook in self.hooks]
        return self.page(asked, shown, 20, 100)

    def _make_hook(self, asked):
        self._need(asked, ADMIN)
        self.hooks.append({"id": self._number(), "alert_status": "executable", **asked.body})
        return Answer(201, self.hooks[-1])

    def _change_hook(self, asked, number):
        self._need(asked, ADMIN)
        hook = next((hook for hook in self.hooks if hook["id"] == int(number)), None)
        if hook is None:
            raise Refusal(404, "404 Not found")
        hook.update(asked.body)
        return Answer(200, hook)

    def _remove_hook(self, asked, number):
        self._need(asked, ADMIN)
        self.hooks = [hook for hook in self.hooks if hook["id"] != int(number)]
        return Answer(204)

    def deliver(self, key, status, trigger="note_hooks"):
        """An attempt to send something to the first hook, and what was answered."""
        headers = {"Idempotency-Key": key, "X-Gitlab-Token": "[REDACTED]"}
        made = {
            "id": self._number(),
            "trigger": trigger,
            "request_headers": headers,
            "response_status": status,
        }
        self.events.insert(0, made)

    def _list_projects(self, asked):
        self._need(asked, READ)
        assert (asked.query["order_by"], asked.query["sort"]) == ("last_activity_at", "desc")
        assert asked.query["include_subgroups"] == "true"
        listed = [one for one in self.organised.values() if not one["archived"]]
        listed.sort(key=lambda one: one["last_activity_at"], reverse=True)
        return self.page(asked, listed, 20, 100)

    def _of_group(self, asked, path):
        self._need(asked, READ)
        if path not in self.organised:
            raise Refusal(404, "404 Project Not Found")
        return Answer(200, self.organised[path])

    def _tree(self, asked, path):
        self._need(asked, READ)
        if path not in self.organised or not self.organised[path]["files"]:
            raise Refusal(404, "404 Tree Not Found")
        files = [
            one for one in self.organised[path]["files"] if asked.query.get("recursive") or "/" not in one
        ]
        return self.page(asked, [{"path": one, "type": "blob"} for one in files], 20, 100)

    def _list_events(self, asked, number):
        self._need(asked, ADMIN)
        return self.page(asked, self.events, 20, 100)

    def _resend(self, asked, number, attempt):
        self._need(asked, ADMIN)
        found = [one for one in self.events if one["id"] == int(attempt)]
        if not found:
            raise Refusal(404, "404 Not found")
        status = "202" if self.taken else "internal error"
        self.deliver(found[0]["request_headers"]["Idempotency-Key"], status, found[0]["trigger"])
        return Answer(201, {"response_status": status})

    def _number(self):
        self._next += 1
        return self._next
