"""GitHub's REST API, as docs.github.com describes it: what Segue asks of it, with its limits and refusals.

A repository that a token may not see is 404; what it may not do there is 403; hooks are 404 for all but
administrators. Every answer carries the limits of rate.
"""

import json
import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.hosting.server import ADMIN, ELSEWHERE, READ, WRITE, Answer, GitServer, Refusal

REPOSITORY = r"/repos/acme/models"
APP_HOOK = 999_999
HOOKED = r"(?:/repos/acme/models|/orgs/acme)"


class GitHub(GitServer):
    """The server; its API lies where GitHub Enterprise Server has it."""

    root = "/api/v3/"

    def __init__(self, repository):
        super().__init__(repository)
        self.statuses = []
        self.hooks = []
        self.pulls = []  # {"number", "state", "merged_at", "commits"}
        self.comments = {}  # place to its comments
        self.deployments = []  # the newest first, each with its `statuses`
        self.deploys = True  # whether tokens may write deployments
        self.checks = []  # the oldest first
        self.checks_allowed = True  # whether Apps may write checks
        self.on_commits = True  # whether tokens may comment on commits, which takes one that may push
        self.apps = {}  # name to public key
        self.app_hook = None  # where an App's own webhook is sent; its deliveries are those of `APP_HOOK`
        self.issued = 0
        self.lasts = 3600  # seconds that an installation's token is good for
        self.organised = {}  # full name to what the organisation's list says of it, and its `files`
        self.renamed = set()
        self.deliveries = []  # what was sent to hooks, the newest first
        self.taken = False  # whether somebody takes what is sent again
        self._next = 0

    def answer(self, asked):
        answer = self.routes(asked, {
            ("GET", REPOSITORY): self._repository,
            ("GET", rf"{REPOSITORY}/installation"): self._installation,
            ("POST", r"/app/installations/(\d+)/access_tokens"): self._access_token,
            ("GET", rf"{REPOSITORY}/commits/([0-9a-f]+)"): self._commit,
            ("GET", rf"{REPOSITORY}/commits/([0-9a-f]+)/pulls"): self._pulls,
            ("POST", rf"{REPOSITORY}/statuses/([0-9a-f]+)"): self._status,
            ("GET", rf"{REPOSITORY}/commits/([0-9a-f]+)/check-runs"): self._list_checks,
            ("POST", rf"{REPOSITORY}/check-runs"): self._check,
            ("PATCH", rf"{REPOSITORY}/check-runs/(\d+)"): self._change_check,
            ("GET", rf"{REPOSITORY}/deployments"): self._list_deployments,
            ("POST", rf"{REPOSITORY}/deployments"): self._deploy,
            ("GET", rf"{REPOSITORY}/deployments/(\d+)/statuses"): self._list_states,
            ("POST", rf"{REPOSITORY}/deployments/(\d+)/statuses"): self._set_state,
            ("GET", rf"{REPOSITORY}/(commits/[0-9a-f]+)/comments"): self._list_comments,
            ("POST", rf"{REPOSITORY}/(commits/[0-9a-f]+)/comments"): self._comment,
            ("PATCH", rf"{REPOSITORY}/comments/(\d+)"): self._change_comment,
            ("GET", rf"{REPOSITORY}/(issues/\d+)/comments"): self._list_comments,
            ("POST", rf"{REPOSITORY}/(issues/\d+)/comments"): self._comment,
            ("PATCH", rf"{REPOSITORY}/issues/comments/(\d+)"): self._change_comment,
            ("GET", rf"{REPOSITORY}/collaborators/([^/]+)/permission"): self._permission,
            ("GET", r"/orgs/([^/]+)/teams/([^/]+)/memberships/([^/]+)"): self._membership,
            ("GET", rf"{HOOKED}/hooks"): self._list_hooks,
            ("POST", rf"{HOOKED}/hooks"): self._make_hook,
            ("PATCH", rf"{HOOKED}/hooks/(\d+)"): self._change_hook,
            ("DELETE", rf"{HOOKED}/hooks/(\d+)"): self._remove_hook,
            ("GET", rf"{HOOKED}/hooks/(\d+)/deliveries"): self._list_deliveries,
            ("POST", rf"{HOOKED}/hooks/(\d+)/deliveries/(\d+)/attempts"): self._send_again,
            ("GET", r"/app/hook/config"): self._app_hook,
            ("GET", r"/app/hook/deliveries"): self._app_deliveries,
            ("POST", r"/app/hook/deliveries/(\d+)/attempts"): self._app_again,
            ("GET", r"/orgs/acme/repos"): self._list_repositories,
            ("GET", r"/repos/(acme/[^/]+)"): self._of_organisation,
            ("GET", r"/repos/(acme/[^/]+)/git/trees/HEAD"): self._tree,
        })  # fmt: skip
        limits = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "0"}
        return Answer(answer.status, answer.body, limits | answer.headers)

    def _need(self, asked, least):
        if not asked.token:
            raise Refusal(404, "Not Found")
        if asked.token not in self.tokens:
            raise Refusal(401, "Bad credentials")
        if self.tokens[asked.token] < READ or not self.repository.folder.exists():
            raise Refusal(404, "Not Found")
        if self.tokens[asked.token] < least:
            raise Refusal(403, "Resource not accessible by personal access token")

    def _repository(self, asked):
        self._need(asked, READ)
        return Answer(200, {"full_name": self.path, "default_branch": self.head()})

    def _commit(self, asked, commit):
        self._need(asked, READ)
        if not self.has(commit):
            raise Refusal(422, f"No commit found for SHA: {commit}")
        login = self.author(commit)
        return Answer(200, {"sha": commit, "author": {"login": login} if login else None})

    def _pulls(self, asked, commit):
        self._need(asked, READ)
        if not self.has(commit):
            raise Refusal(422, f"No commit found for SHA: {commit}")
        return self.page(asked, [pull for pull in self.pulls if commit in pull["commits"]], 30, 100)

    def _status(self, asked, commit):
        self._need(asked, WRITE)
        if not self.has(commit):
            raise Refusal(422, f"No commit found for SHA: {commit}")
        told = asked.body
        if told["state"] not in {"error", "failure", "pending", "success"}:
            raise Refusal(422, "Validation Failed")
        if len(told.get("description") or "") > 140 or len(told["context"]) > 255:
            raise Refusal(422, "Validation Failed")
        self.statuses.append({"sha": commit, **told})
        return Answer(201, {"id": len(self.statuses), **told})

    def _list_checks(self, asked, commit):
        """Of each name the latest, unless all are asked for."""
        self._need(asked, READ)
        name = asked.query.get("check_name")
        found = [one for one in self.checks if one["head_sha"] == commit and name in {None, one["name"]}]
        if asked.query.get("filter", "latest") == "latest":
            found = list({(one["name"], one["app"]): one for one in found}.values())
        return Answer(200, {"total_count": len(found), "check_runs": found})

    def _check(self, asked):
        self._may_check(asked)
        if not self.has(asked.body["head_sha"]):
            raise Refusal(422, f"No commit found for SHA: {asked.body['head_sha']}")
        new = {"id": self._number(), "app": "segue", "status": "queued", "conclusion": None}
        self.checks.append(new)
        return Answer(201, self._told_check(new, asked.body))

    def _change_check(self, asked, number):
        self._may_check(asked)
        one = next((one for one in self.checks if one["id"] == int(number)), None)
        if one is None:
            raise Refusal(404, "Not Found")
        return Answer(200, self._told_check(one, asked.body))

    def _told_check(self, check, told):
        output = told.get("output", {"title": "", "summary": ""})
        if not output["title"] or max(len(output.get(part, "")) for part in ("summary", "text")) > 65_535:
            raise Refusal(422, "Invalid request.")
        if (told.get("status") == "completed") != ("conclusion" in told):
            raise Refusal(422, "Invalid request. No conclusion, or one of what goes on")
        if check["status"] == "completed" != told.get("status"):
            raise Refusal(422, "Invalid request. A check that is completed goes on no more")
        check.update(told)
        return check

    def _may_check(self, asked):
        self._need(asked, WRITE)
        if not asked.token.startswith("ghs_"):
            raise Refusal(403, "You must authenticate via a GitHub App.")
        if not self.checks_allowed:
            raise Refusal(403, "Resource not accessible by integration")

    def _list_deployments(self, asked):
        self._need(asked, READ)
        named = ("environment", "task", "ref", "sha")
        wanted = {name: asked.query[name] for name in named if name in asked.query}
        found = [one for one in self.deployments if all(one[name] == word for name, word in wanted.items())]
        return self.page(asked, [{**one, "statuses": None} for one in found], 30, 100)

    def _deploy(self, asked):
        self._may_deploy(asked)
        told = {"task": "deploy", "environment": "production", "payload": {}} | asked.body
        if "ref" not in told or not self.has(told["ref"]) or len(told.get("description") or "") > 140:
            raise Refusal(422, "Invalid request.")
        contexts = {one["context"]: one["state"] for one in self.statuses if one["sha"] == told["ref"]}
        if told.get("required_contexts") != [] and set(contexts.values()) - {"success"}:
            raise Refusal(409, "Conflict: Commit status checks failed")
        if told.get("auto_merge", True):
            raise Refusal(409, "Conflict merging main into topic")
        self.deployments.insert(0, {"id": self._number(), "sha": told["ref"], "statuses": [], **told})
        return Answer(201, self.deployments[0])

    def _list_states(self, asked, number):
        self._need(asked, READ)
        return self.page(asked, self._deployed(number)["statuses"][::-1], 30, 100)

    def _set_state(self, asked, number):
        """`auto_inactive`, unless it is turned off, ends what succeeded before outside of production."""
        self._may_deploy(asked)
        one, told = self._deployed(number), asked.body
        known = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
        if told["state"] not in known or len(told.get("description") or "") > 140:
            raise Refusal(422, "Validation Failed")
        if told.get("auto_inactive", True) and told["state"] == "success":
            for other in self.deployments:
                if other["environment"] == one["environment"] and not other.get("production_environment"):
                    other["statuses"].append({"id": self._number(), "state": "inactive"})
        one["statuses"].append({"id": self._number(), **told})
        return Answer(201, one["statuses"][-1])

    def _may_deploy(self, asked):
        self._need(asked, WRITE)
        if not self.deploys:
            raise Refusal(403, "Resource not accessible by personal access token")

    def _deployed(self, number):
        found = [one for one in self.deployments if one["id"] == int(number)]
        if not found:
            raise Refusal(404, "Not Found")
        return found[0]

    def _list_comments(self, asked, place):
        self._need(asked, READ)
        return self.page(asked, self.comments.get(place, []), 30, 100)

    def _comment(self, asked, place):
        self._need(asked, WRITE)
        if place.startswith("commits/") and not self.on_commits:
            raise Refusal(403, "Resource not accessible by personal access token")
        new = {"id": self._number(), "body": self._text(asked), "user": {"login": "segue"}}
        self.comments.setdefault(place, []).append(new)
        return Answer(201, new)

    def _change_comment(self, asked, number):
        self._need(asked, WRITE)
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == int(number):
                    comment["body"] = self._text(asked)
                    return Answer(200, comment)
        raise Refusal(404, "Not Found")

    def _text(self, asked):
        text = asked.body.get("body")
        if not text or len(text) > 65_536:
            raise Refusal(422, "Validation Failed: Body is too long (maximum is 65536 characters)")
        return text

    def _permission(self, asked, login):
        self._need(asked, WRITE)
        known = {name.lower(): word for name, word in self.people.items()}
        if login.lower() not in known:
            raise Refusal(404, f"{login} is not a user")
        return Answer(200, {"permission": known[login.lower()], "user": {"login": login}})

    def _membership(self, asked, organisation, team, login):
        self._need(asked, READ)
        if login not in self.groups.get(f"{organisation}/{team}", ()):
            raise Refusal(404, "Not Found")
        return Answer(200, {"role": "member", "state": "active" if login in self.people else "pending"})

    def _list_hooks(self, asked):
        self._administer(asked)
        shown = [{**hook, "config": {**hook["config"], "secret": "********"}} for hook in self.hooks]
        return self.page(asked, shown, 30, 100)

    def _make_hook(self, asked):
        self._administer(asked)
        if asked.body["name"] != "web":
            raise Refusal(422, "Validation Failed")
        url = asked.body["config"]["url"]
        if any(hook["config"]["url"] == url for hook in self.hooks):
            raise Refusal(422, "Validation Failed: Hook already exists on this repository")
        self.hooks.append({"id": self._number(), **asked.body})
        return Answer(201, self.hooks[-1])

    def _change_hook(self, asked, number):
        self._administer(asked)
        hook = next((hook for hook in self.hooks if hook["id"] == int(number)), None)
        if hook is None:
            raise Refusal(404, "Not Found")
        hook.update(asked.body)
        return Answer(200, hook)

    def _remove_hook(self, asked, number):
        self._administer(asked)
        self.hooks = [hook for hook in self.hooks if hook["id"] != int(number)]
        return Answer(204)

    def deliver(self, guid, code, at, event="push", hook=None):
        """An attempt to send something to the first hook, or another, and what was answered (0: nobody)."""
        told = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = {"id": self._number(), "guid": guid, "delivered_at": told, "event": event, "status_code": code}
        made |= {"redelivery": any(guid == one["guid"] for one in self.deliveries)}
        self.deliveries.insert(0, {**made, "hook": hook or self.hooks[0]["id"]})

    def _list_deliveries(self, asked, number):
        self._administer(asked)
        return self._delivered(asked, number)

    def _delivered(self, asked, number):
        told = [one for one in self.deliveries if one["hook"] == int(number)]
        first = next((at for at, one in enumerate(told) if str(one["id"]) == asked.query.get("cursor")), 0)
        size = min(int(asked.query.get("per_page", 30)), 100)
        links = {}
        if first + size < len(told):
            cursor = told[first + size]["id"]
            links["Link"] = f'<{ELSEWHERE}{asked.path}?per_page={size}&cursor={cursor}>; rel="next"'
        return Answer(200, told[first : first + size], links)

    def _send_again(self, asked, number, attempt):
        self._administer(asked)
        return self._sent_again(number, attempt)

    def _sent_again(self, number, attempt):
        found = [one for one in self.deliveries if (one["id"], one["hook"]) == (int(attempt), int(number))]
        if not found:
            raise Refusal(404, "Not Found")
        self.deliver(
            found[0]["guid"], 202 if self.taken else 502, time.time(), found[0]["event"], int(number)
        )
        return Answer(202, {})

    def _administer(self, asked):
        self._need(asked, READ)
        if self.tokens[asked.token] < ADMIN:
            raise Refusal(404, "Not Found")

    def _number(self):
        self._next += 1
        return self._next

    # --- the organisation -----------------------------------------------------------------------

    def _list_repositories(self, asked):
        self._need(asked, READ)
        assert (asked.query["sort"], asked.query["direction"]) == ("pushed", "desc")
        listed = sorted(self.organised.values(), key=lambda one: one["pushed_at"] or "", reverse=True)
        return self.page(asked, listed, 30, 100)

    def _of_organisation(self, asked, path):
        self._need(asked, READ)
        if path in self.renamed:
            raise Refusal(301, "Moved Permanently", Location=f"{ELSEWHERE}/repositories/1")
        if path not in self.organised:
            raise Refusal(404, "Not Found")
        return Answer(200, self.organised[path])

    def _tree(self, asked, path):
        self._need(asked, READ)
        if path not in self.organised:
            raise Refusal(404, "Not Found")
        files = self.organised[path]["files"]
        if not files:
            raise Refusal(409, "Git Repository is empty.")
        tree = [
            {"path": one, "type": "blob"} for one in files if asked.query.get("recursive") or "/" not in one
        ]
        return Answer(200, {"sha": "1", "tree": tree[:1000], "truncated": len(tree) > 1000})

    # --- Apps -----------------------------------------------------------------------------------

    def _installation(self, asked):
        self._app(asked)
        return Answer(200, {"id": 77})

    def _access_token(self, asked, number):
        self._app(asked)
        if number != "77" or asked.body != {"repositories": ["models"]}:
            raise Refusal(422, "There is at least one repository that does not exist or is not accessible")
        self.issued += 1
        token = f"ghs_{self.issued}"
        self.tokens[token] = ADMIN
        until = datetime.fromtimestamp(time.time() + self.lasts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Answer(201, {"token": token, "expires_at": until})

    def _app_hook(self, asked):
        self._app(asked)
        if self.app_hook is None:
            raise Refusal(404, "Not Found")
        return Answer(200, {"content_type": "json", "insecure_ssl": "0", "url": self.app_hook})

    def _app_deliveries(self, asked):
        self._app(asked)
        return self._delivered(asked, APP_HOOK)

    def _app_again(self, asked, attempt):
        self._app(asked)
        return self._sent_again(APP_HOOK, attempt)

    def _app(self, asked):
        """Check a JSON Web Token as GitHub does: who signed it, and that it lasts at most ten minutes."""
        try:
            head, claims, signature = asked.token.split(".")
            told = json.loads(_raw(claims))
            assert json.loads(_raw(head)) == {"alg": "RS256", "typ": "JWT"}
            key = self.apps[told["iss"]]
            key.verify(_raw(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, KeyError, AssertionError, InvalidSignature):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        now = time.time()
        if not told["iat"] <= now <= told["exp"] <= told["iat"] + 600:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")


def _raw(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
