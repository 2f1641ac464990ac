"""Policies that can be tried: Segue's defaults, those that models declare, those of a file."""

from collections.abc import Sequence

from policies.roles import Rights
from policies.spec.declaration import Environment, Model
from service import segue_yaml
from service.rehearsing.simulating import SHIFTING
from service.store.states import model_of
from service.store.store import Store

# The policy of a file that says nothing about it.
SHORTEST = b"name: model\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py, port: 8080}\n"
DEFAULTS = "Segue's defaults"


class NoPolicy(ValueError):
    """A file has no such policy, or several."""


class NothingToTry(NoPolicy):
    """A policy that shifts no traffic by evidence."""


def known(store: Store, rights: Rights, chosen: str, most: int = 0) -> tuple[dict[str, Environment], bool]:
    """Segue's own and those of models that somebody with these rights may see, by target: of the first
    `most` models by name, and of the one whose target is chosen; whether there are more."""
    (shortest,) = segue_yaml.load(SHORTEST, "model")
    found = {DEFAULTS: shortest.environments[0]}
    with store.read() as read:
        names = [name for name in read.model_names() if rights.may_of_model("see", name)]
        wanted = {*names[:most], *({chosen.partition("/")[0]} & set(names))}
        rows = read.models_of(sorted(wanted))
    for row in rows:
        model = model_of(row)
        for one in model.environments:
            target = f"{model.name}/{one.name}"
            if one.strategy in SHIFTING and rights.may("see", target):
                found[target] = one
    return found, len(names) > most


def of(models: Sequence[Model], model: str | None, place: str | None) -> tuple[str, Environment]:
    """The name of that model of a file, and that environment of it, the last where none is named.

    Raises `NoPolicy` with what there is.
    """
    found = _model(models, model)
    environment = found.environments[-1] if place is None else found.environment(place)
    if environment is None:
        names = ", ".join(one.name for one in found.environments)
        raise NoPolicy(f"{found.name} has no environment {place}; it has {names}")
    if environment.strategy not in SHIFTING:
        what = f"strategy {environment.strategy} shifts no traffic by evidence: nothing to simulate"
        raise NothingToTry(what)
    return found.name, environment


def _model(models: Sequence[Model], name: str | None) -> Model:
    names = ", ".join(one.name for one in models)
    if name is None and len(models) != 1:
        raise NoPolicy(f"the file declares several models; name one of them: {names}")
    found = next((one for one in models if name in {None, one.name}), None)
    if found is None:
        raise NoPolicy(f"there is no model {name}; the file declares {names}")
    return found
