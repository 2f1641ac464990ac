"""A build as the `batch/v1` Job that runs it: Segue's own image, an order, logins from a Secret.

A pure function from values to plain dictionaries, as `job_manifest`, whose pod this is.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from policies.spec.declaration_cluster import PodNeeds
from service.adapters.kubernetes import job_manifest, reasons
from service.adapters.kubernetes import labels as labelling
from service.adapters.oci.build import write_recipe
from service.adapters.oci.build_away import AUTHORITIES, VARIABLE, Order, write_order
from service.ports.jobs import Job, Limits
from service.ports.outcomes import Refused
from service.settings import Settings

Object = dict[str, Any]

HOME = "/var/lib/segue"
LIMITS = Limits(cpu=1.0, memory=2 << 30, seconds=1800.0)
_RUN = ("python3", "-m", "service.adapters.oci.build_away")
_LOGIN = re.compile(r"\w+://[^/\s]+@")
_NETRC = "netrc"  # logins of package indexes, in the form of that file
_OWN = frozenset({"HOME", "PATH", "LANG"})
_READABLE = 0o440  # by the pod's group


def job_name(name: str) -> str:
    """The name of the Job of a build: an evaluation may have the build's name itself."""
    return f"build-{job_manifest.object_name(name)}"


def manifest(
    settings: Settings, order: Order, installer: Mapping[str, str], owner: str, limits: Limits
) -> Object:
    """The whole Job. `installer` are the variables that packages are installed with here.

    Raises `Refused` for a variable that holds a login: everybody who may read Jobs would read it.
    """
    env = environment(installer)
    if settings.builder_secret:
        env["NETRC"] = f"{HOME}/secrets/{_NETRC}"
    body = plain(settings, order, tuple(env.items()), _RUN, owner, limits)
    pod = body["spec"]["template"]["spec"]
    added: list[tuple[str, Object, str]] = [("home", {"emptyDir": {}}, HOME)]
    if settings.builder_secret:
        added.append(("secrets", _secret(settings.builder_secret, order), f"{HOME}/secrets"))
    for name, volume, path in added:
        pod["volumes"].append({"name": name, **volume})
        pod["containers"][0]["volumeMounts"].append({"name": name, "mountPath": path})
    return body


def plain(  # noqa: PLR0917 (what a build's Job depends on)
    settings: Settings,
    order: Order,
    env: tuple[tuple[str, str], ...],
    run: tuple[str, ...],
    owner: str,
    limits: Limits,
) -> Object:
    """A Job of Segue's own image that is told the order and the settings of a build, without volumes."""
    told = {
        **dict(env),
        "SEGUE_HOME": HOME,
        "SEGUE_IMAGES": settings.images or "",
        "SEGUE_BASE": settings.base or "",
        VARIABLE: write_order(order),
    }
    name, image = job_name(order.recipe.name), settings.builder_image or ""
    needs = PodNeeds(pull_secrets=settings.builder_pull_secrets)
    job = Job(name, image, run, limits, tuple(told.items()), needs)
    body = job_manifest.manifest(job, labelling.labels("", "", owner), reasons.ROOM)
    body["spec"]["ttlSecondsAfterFinished"] = round(settings.keep_days * 86_400)
    # Another Segue would build it with another image; what counts is that it is the same recipe.
    body["metadata"]["annotations"][labelling.SPEC] = labelling.digest({"recipe": _recipe(order)})
    return body


def environment(installer: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that mean the same in a pod: not files of this machine."""
    found = {name: said for name, said in installer.items() if name not in _OWN and not said.startswith("/")}
    for name, said in found.items():
        if _LOGIN.search(said):
            raise Refused(
                f"{name} holds a login, which everybody who may read Jobs would see; one for an index belongs"
                " in the key netrc of the builder's Secret, and a proxy must need none"
            )
    return found


def _secret(name: str, order: Order) -> Object:
    """Of the Secret only what this build needs; what is not in it needs no login."""
    logins = (f"login-{source.keyring}" for source in order.sources)
    keys: Sequence[str] = ["login-images", _NETRC, AUTHORITIES, *logins]
    items = [{"key": key, "path": key} for key in keys]
    return {"secret": {"secretName": name, "items": items, "optional": True, "defaultMode": _READABLE}}


def _recipe(order: Order) -> str:
    return write_recipe(order.recipe).decode()
