"""The nine acts of the demo. Each does what a person would do, follows what comes of it, and checks it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.demo.place import segue
from service.demo.stage import Found, Stage

WINE = "wine/production"
MOST_FAILED = 12  # requests that a bad version may cost in all
BACK_SECONDS = 5.0
WINE_RATE, REGISTERED_RATE = 120.0, 60.0  # requests per second, all the time
DIABETES_ROWS = [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02]]
WINE_BODY = {"instances": [[13.2, 1.78, 2.14, 11.2, 100, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050]]}

LADDER = "ladder: [5%, 25%, 100%]\n"
BY_TAG = 'strategy: bluegreen\non: {tags: ["v*"]}\n'
DEMO_RULES = f"""
# For the demonstration only. Segue's own defaults are careful: the candidate may cost 0.1 % of all
# requests, stays 60 s at each weight and is watched for 5 minutes. Here it may cost 2 %, stays 3 s and
# is watched for 5 s, and a good version is rolled back in up to 5 % of rollouts: nobody wants to look
# at a terminal for an hour, and nobody is harmed by a wrong wine.
risk: 2%
false_rollbacks: 5%
dwell: 3s
warm_up: 0s
watch: 5s
patience: 3m
{LADDER}"""
BEFORE_FAULT = "\n    def do_POST(self):\n"
FAULT = """
    COUNT = 0

    def do_POST(self):
        Handler.COUNT += 1
        if Handler.COUNT % 20 == 0:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(500, {"error": "every 20th request fails"})
            return
        self.predict()

    def predict(self):
"""
FAULT_ABROAD = """
    def do_POST(self):
        if self.headers.get("X-Country") == "pt":
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(500, {"error": "no wine is known there"})
            return
        self.predict()

    def predict(self):
"""
FAULT_SLOW = """
    def do_POST(self):
        threading.Event().wait(0.3)
        self.predict()

    def predict(self):
"""
BY_COUNTRY = "guards: {errors: {segments: country}}\n"
BY_TIME = "guards: {latency: {slower_than: 250ms, worse_by: 50%}}\n"


@dataclass(slots=True)
class Outcome:
    """What became of an act. `checks` are sentences that must be true."""

    number: int
    title: str
    release: str = ""
    ended: str = ""
    reason: str = ""
    seconds: float = 0.0
    checks: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(true for _, true in self.checks)

    def check(self, sentence: str, true: object) -> None:
        """Note whether a sentence is true."""
        self.checks.append((sentence, bool(true)))

    def tell(self, found: Found) -> None:
        """Take name, end and reason from the release."""
        one = found["release"]
        self.release, self.ended = one["name"], one["phase"]
        proof = "proven by its guards" if one["proven"] else "not proven: " + "; ".join(one["unproven"])
        self.reason = one["reason"] or (proof if one["phase"] == "promoted" else "")


def first_version(stage: Stage, outcome: Outcome) -> None:
    """A push, and an alias: the first versions of both models, with nothing to compare them to."""
    for path in ("wine/segue.yaml", f"{stage.models.registered}/segue.yaml"):
        file = stage.repository.work / path
        file.write_text(file.read_text() + DEMO_RULES)
    stage.models.train_wine(features=10)
    commit = stage.commits["first"] = stage.repository.commit("Add the models")
    stage.screen.say("git push: a first version of wine, and the declaration of a registered model")
    stage.repository.push()
    found = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    outcome.check("it is promoted", outcome.ended == "promoted")
    outcome.check("the record says that it is not proven", not found["release"]["proven"])
    stage.serve(WINE, "predict", WINE_BODY, WINE_RATE)
    version = stage.models.register(better=False)
    stage.screen.say(f"MLflow: alias challenger is set to version {version} of {stage.models.registered}")
    stage.models.move_alias("challenger", version)
    first = stage.approved(stage.of_model(version))
    outcome.check("so is the registered model's", first["release"]["phase"] == "promoted")
    stage.serve(stage.models.target, "invocations", {"inputs": DIABETES_ROWS}, REGISTERED_RATE)


def better_model(stage: Stage, outcome: Outcome) -> None:
    """A push to main: a canary that its guards let through."""
    stage.models.train_wine(features=13)
    commit = stage.commits["better"] = stage.repository.commit("Use all measurements")
    stage.screen.say("git push: the same model, trained on all 13 measurements")
    stage.repository.push()
    found = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    outcome.check("it is promoted", outcome.ended == "promoted")
    outcome.check("its guards proved it", found["release"]["proven"])
    outcome.check("the environment was not built again", layers(found).get("env") == "cached")


def failing_model(stage: Stage, outcome: Outcome) -> None:
    """A push of a version that passes its evaluation and fails once it serves."""
    stage.repository.edit("wine/serve.py", BEFORE_FAULT, FAULT)
    commit = stage.repository.commit("Count the requests")
    stage.screen.say(
        "git push: this version passes its evaluation, but answers every 20th request with an error"
    )
    stage.repository.push()
    found = stage.releases["failing"] = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    backend = found["release"]["backend"]
    failed = sum(a.failed for a in stage.streams[WINE].answers if a.version == backend)
    outcome.check("it is rolled back by its guard", outcome.ended == "rolled back")
    outcome.check(f"it cost {failed} failed requests, at most {MOST_FAILED}", 0 < failed <= MOST_FAILED)
    outcome.check("the old version serves on", stage.target(WINE)["stable"]["backend"] != backend)


def abroad_model(stage: Stage, outcome: Outcome) -> None:
    """A push of a version that is fine for nine users in ten, and fails for all of one country."""
    _faulty(stage, FAULT_ABROAD, BY_COUNTRY)
    commit = stage.repository.commit("Ask for the country")
    stage.screen.say(
        "git push: this version fails for one country, a tenth of all users; a guard looks at each country"
    )
    stage.repository.push()
    found = stage.releases["abroad"] = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    backend = found["release"]["backend"]
    failed = sum(a.failed for a in stage.streams[WINE].answers if a.version == backend)
    outcome.check("it is rolled back by its guard", outcome.ended == "rolled back")
    outcome.check("the reason names the country", "errors in country=pt" in outcome.reason)
    outcome.check(f"it cost {failed} failed requests, at most {MOST_FAILED}", 0 < failed <= MOST_FAILED)


def slow_model(stage: Stage, outcome: Outcome) -> None:
    """A push of a version that answers right, and late."""
    _faulty(stage, FAULT_SLOW, BY_TIME)
    commit = stage.repository.commit("Think about it")
    stage.screen.say("git push: this version answers every request right, 0.3 s later than before")
    stage.repository.push()
    found = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    backend = found["release"]["backend"]
    mine = [a for a in stage.streams[WINE].answers if a.version == backend]
    outcome.check("it is rolled back by its guard", outcome.ended == "rolled back")
    outcome.check("the reason names the durations", "latency" in outcome.reason)
    outcome.check(f"none of its {len(mine)} answers failed", mine and not any(a.failed for a in mine))


def _faulty(stage: Stage, fault: str, guards: str) -> None:
    """The good version with a fault in it, and a guard that looks for such."""
    stage.repository.restore(stage.commits["better"])
    stage.repository.edit("wine/serve.py", BEFORE_FAULT, fault)
    stage.repository.edit("wine/segue.yaml", LADDER, LADDER + guards)


def refused_model(stage: Stage, outcome: Outcome) -> None:
    """A push of a worse model: its gate stops it before any traffic."""
    stage.repository.restore(stage.commits["better"])
    stage.models.train_wine(features=1)
    commit = stage.repository.commit("Use one measurement only")
    stage.screen.say("git push: a model that knows only one measurement")
    stage.repository.push()
    found = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    outcome.check("its gate refuses it", outcome.ended == "refused")
    outcome.check("it never had traffic", found["release"]["peak"] == 0)
    told = stage.eventually(lambda: "accuracy is" in stage.repository.note(commit))
    outcome.check("the commit says why: git notes --ref segue show", told)


def registered_model(stage: Stage, outcome: Outcome) -> None:
    """The alias moves in MLflow: a canary of a registered version, with an approval."""
    version = stage.models.register(better=True)
    stage.screen.say(f"MLflow: alias challenger moves to version {version} of {stage.models.registered}")
    stage.models.move_alias("challenger", version)
    found = stage.approved(stage.of_model(version))
    outcome.tell(found)
    outcome.check("it waited for an approval, and is promoted", outcome.ended == "promoted")
    outcome.check("only the model layer was built", built(found) == ["model"])
    outcome.check(
        "champion names it now", stage.eventually(lambda: stage.models.alias("champion") == version)
    )
    result = stage.eventually(lambda: stage.models.tags(version).get("segue.result") == "promoted")
    outcome.check("the result is written on the version, as tags", result)


def tagged_release(stage: Stage, outcome: Outcome) -> None:
    """A tag on a release branch: blue/green."""
    stage.repository.branch("release/1", stage.commits["better"])
    stage.repository.edit("wine/segue.yaml", LADDER, BY_TAG)
    commit = stage.repository.commit("Release by tag, all at once")
    stage.repository.tag("v1.0")
    stage.screen.say("git push --tags: v1.0 on the branch release/1, blue/green")
    stage.repository.push("release/1")
    stage.repository.push("--tags")
    found = stage.ended(stage.of_commit(commit))
    outcome.tell(found)
    outcome.check("it is promoted", outcome.ended == "promoted")
    outcome.check(
        "it was switched at once",
        [s["shift"] for s in found["release"]["steps"] if "shift" in s] == [[100.0]],
    )
    checked = [entry for entry in found["record"] if entry["action"] == "checking"]
    outcome.check("its preview was checked first, and it was watched after", checked)


def taken_back(stage: Stage, outcome: Outcome) -> None:
    """A command: the version before, kept warm, serves again."""
    before, began = stage.target(WINE)["previous"]["backend"], time.time()
    stage.screen.say("segue rollback wine")
    said = segue(stage.place, "rollback", "wine", "--reason", "the demo says so")
    stage.screen.say(said.strip())
    found = stage.ended(stage.begun(lambda one: one["backend"] == before and not one["commit"]))
    outcome.tell(found)
    after = [a for a in stage.streams[WINE].answers if a.sent > began and a.version == before]
    seconds = after[0].done - began if after else float("inf")
    outcome.check("the version before serves", stage.target(WINE)["stable"]["backend"] == before)
    outcome.check(f"it did so after {seconds:.1f} s, at most {BACK_SECONDS:g} s", seconds <= BACK_SECONDS)


Act = Callable[[Stage, Outcome], None]
ACTS: tuple[tuple[str, Act], ...] = (
    ("a first version", first_version),
    ("a better model, by push", better_model),
    ("a model that fails once it serves", failing_model),
    ("a model that fails for one country", abroad_model),
    ("a model that is slow", slow_model),
    ("a model that its gate refuses", refused_model),
    ("a version from MLflow, with an approval", registered_model),
    ("a tag, by blue/green", tagged_release),
    ("back to the version before, by command", taken_back),
)


def layers(found: Found) -> dict[str, str]:
    """Layers of the release's image, each built or cached."""
    return dict((found["version"] or {}).get("layers", {}))


def built(found: Found) -> list[str]:
    """The layers that were not cached."""
    return [name for name, how in layers(found).items() if how == "built"]
