"""What `mode: observe` and `services` mean together: somebody else shifts traffic, Segue only watches."""

from policies.spec.mistakes import Findings
from policies.spec.node import Mapping, Node
from policies.spec.reading import Values

_NOT_OURS = ("steps", "sticky", "held_back")  # they say how traffic is to move


def check_model(node: Mapping, values: Values, findings: Findings) -> None:
    """The two Services, and how versions behind them are told apart."""
    written, read = node.get("services"), values.get("services")
    if written is None or not isinstance(read, dict):
        return
    for name in ("stable", "candidate"):
        if not (isinstance(written, Mapping) and written.has(name)):
            message = f"`services` needs `{name}`: a Service that exists, such as ml/fraud-{name}"
            findings.add(written.place, message, allowed=("stable", "candidate"))
    stable, candidate = read.get("stable"), read.get("candidate")
    if stable and candidate:
        _check_pair(written, stable, candidate, findings)
    if node.has("model"):
        message = "versions behind `services` are told apart by their image: write `image` or `build`"
        findings.add((node.get("model") or node).place, message, found="model", allowed=("image", "build"))


def _check_pair(written: Node, stable: str, candidate: str, findings: Findings) -> None:
    if stable == candidate:
        message = "`stable` and `candidate` are one Service, and nothing tells its versions apart"
        findings.add(written.place, message, found=candidate)
    elif stable.partition("/")[0] != candidate.partition("/")[0]:
        message = "`stable` and `candidate` must be Services of one namespace"
        findings.add(written.place, message, found=candidate)


def check_environment(
    model: Mapping, node: Mapping, values: Values, findings: Findings, *, batch: bool
) -> None:
    """An environment with what it inherits: who shifts its traffic is said once, and consistently."""
    watched, services = values.get("mode") == "observe", model.get("services")
    mode = node.get("mode") or node
    if services is not None and not watched:
        message = (
            "traffic between `services` is shifted by somebody else: write `mode: observe`; for Segue to"
            " shift it, name a `deployment` and its `route` in their place"
        )
        findings.add((node.get("mode") or services).place, message, found="act", allowed=("observe",))
    elif watched and services is None and not batch:
        message = (
            "`mode: observe` watches what somebody else shifts: name it by `services: {stable:"
            " ml/fraud-stable, candidate: ml/fraud-canary}`, in the place of what Segue would start"
        )
        findings.add(mode.place, message, found="observe", allowed=("services",))
    if watched and not batch:
        _refuse_ours(node, values, findings)


def _refuse_ours(node: Mapping, values: Values, findings: Findings) -> None:
    for name in _NOT_OURS:
        if (written := node.get(name)) is not None:
            message = f"`{name}` says how Segue moves traffic, and with `mode: observe` it moves none"
            findings.add(written.place, message, found=name)
    if values.get("strategy") != "canary" and (written := node.get("strategy")) is not None:
        message = "with `mode: observe` the candidate is compared while both serve: leave `strategy` out"
        findings.add(written.place, message, found=str(values.get("strategy")), allowed=("canary",))
