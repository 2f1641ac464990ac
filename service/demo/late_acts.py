"""The four acts about labels: what only comes true later judges a model, before users see it or after."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from policies.place import served_by
from service.demo.acts import Outcome
from service.demo.customers import Customers
from service.demo.place import segue
from service.demo.repository import Repository
from service.demo.stage import Following, Found

TARGET, TABLE = "churn/production", "crm.outcomes"
RATE = 60.0  # requests per second, all the time
GOOD, NEWCOMERS, BETTER = (
    {"calls": 6.0, "newcomers": 1.0},
    {"calls": 6.0, "newcomers": 0.0},  # answers newcomers as if none of them ever left
    {"calls": 5.99, "newcomers": 1.0},
)
FOR = "for: 10m"
SHADOW = "strategy: shadow"
COPIES = "shadow: {for: 10m, answer: predictions.0, score: scores.0}\n"
ANSWERS = "  answers: {flips: 50%}\n"
RIGHT = "right: {labels: crm.outcomes, drop: 1%}"
BY_REQUEST = "right: {labels: crm.outcomes, drop: 1%, within: 10s, by: request}"
RULES = """
# For the demonstration only: nobody wants to look at a terminal for an hour. Defaults are careful.
risk: 3%
false_rollbacks: 5%
dwell: 3s
warm_up: 0s
watch: 5s
ladder: [20%, 50%, 100%]
"""


@dataclass(slots=True, kw_only=True)
class Late(Following):
    """What these acts work with. `customers` come once something serves."""

    repository: Repository
    customers: Customers | None = None
    stamps: dict[str, str] = field(default_factory=dict)  # of versions, by what they are called here

    def release(self, model: dict[str, float], message: str) -> str:
        """Push another model; the release that it begins."""
        (self.repository.work / "model.json").write_text(json.dumps(model) + "\n")
        commit = self.repository.commit(message)
        self.repository.push()
        return self.begun(lambda one: one["commit"] == commit)

    def ended_by_labels(self, name: str, seconds: float) -> Found:
        """Follow a release to its end, and tell meanwhile what came true."""
        rows = self.place.root / "outcomes.csv"

        def over(one: Found) -> bool:
            if self.customers is not None and self.due(5.0) and self.customers.write_labels(rows):
                segue(self.place, "add-labels", "churn", str(rows), "--table", TABLE)
            return bool(one["final"])

        return self.until(name, over, seconds)


def first_version(stage: Late, outcome: Outcome) -> None:
    """A push: the first version, with nothing to compare it with; customers come."""
    file = stage.repository.work / "segue.yaml"
    file.write_text(file.read_text().replace(FOR, "for: 10s") + RULES)
    stage.screen.say("git push: a first model of who will leave")
    found = stage.until(stage.release(GOOD, "Add the model"), lambda one: bool(one["final"]), 120.0)
    outcome.tell(found)
    outcome.check("it is promoted", outcome.ended == "promoted")
    stage.stamps["good"] = served_by(found["release"]["backend"])
    stage.customers = Customers(stage.target(TARGET)["address"], RATE)
    stage.customers.start()


def wrong_in_the_shadow(stage: Late, outcome: Outcome) -> None:
    """A push of a model that is wrong about newcomers: it answers copies, and labels find it."""
    stage.screen.say("git push: a model that answers as fast, and never fails, and is wrong about newcomers")
    name = stage.release(NEWCOMERS, "Weigh newcomers anew")
    found = stage.ended_by_labels(name, 240.0)
    outcome.tell(found)
    stamp = served_by(found["release"]["backend"])
    seen = sum(one.by == stamp for one in stage.customers.told) if stage.customers else -1
    outcome.check("it is rolled back", outcome.ended == "rolled back")
    outcome.check("because of true labels, or of answers that flipped", _names(outcome, "right", "flips"))
    outcome.check("it never had traffic", found["release"]["peak"] == 0)
    outcome.check("no customer was answered by it", seen == 0)


def good_in_the_shadow(stage: Late, outcome: Outcome) -> None:
    """A push of a good model: copies and labels clear it, then a canary begins."""
    stage.screen.say("git push: a model that is as good")
    name = stage.release(BETTER, "Weigh calls a little less")
    found = stage.ended_by_labels(name, 300.0)
    outcome.tell(found)
    stage.stamps["better"] = served_by(found["release"]["backend"])
    outcome.check("it is promoted", outcome.ended == "promoted")
    outcome.check("its answers to copies and its guards proved it", found["release"]["proven"])
    phases = [entry["action"] for entry in found["record"]]
    outcome.check("it was in the shadow before it had traffic", "shadowing" in phases)


def wrong_in_a_canary(stage: Late, outcome: Outcome) -> None:
    """The wrong model once more, as a canary: rows that name the request alone come late."""
    file = stage.repository.work / "segue.yaml"
    file.write_text(as_canary(file.read_text()))
    stage.screen.say("git push: the wrong model again, as a canary; its labels come late, by request")
    found = stage.ended_by_labels(stage.release(NEWCOMERS, "Try it with users"), 420.0)
    outcome.tell(found)
    outcome.check("it is rolled back", outcome.ended == "rolled back")
    outcome.check("because of late labels", _names(outcome, "right"))
    outcome.check("it had a part of the traffic until then", 0 < found["release"]["peak"] < 100)
    known = list(stage.client.labels("churn"))
    outcome.check("the recorder knew who answered", any(one["version"] for one in known))


def as_canary(text: str) -> str:
    """The declaration without a shadow, and with labels whose rows name the request alone."""
    text = text.replace(SHADOW, "strategy: canary").replace(RIGHT, BY_REQUEST)
    return text.replace(COPIES.replace(FOR, "for: 10s"), "").replace(ANSWERS, "")


def _names(outcome: Outcome, *guards: str) -> bool:
    return any(guard in outcome.reason for guard in guards)


ACTS: tuple[tuple[str, Callable[[Late, Outcome], None]], ...] = (
    ("a first version", first_version),
    ("a wrong model, found in the shadow by labels", wrong_in_the_shadow),
    ("a good model, out of the shadow to all users", good_in_the_shadow),
    ("a wrong canary, found by labels that come late", wrong_in_a_canary),
)
