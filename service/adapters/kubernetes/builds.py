"""Builds images as Jobs of a cluster, which push them to a registry: the image builder `kubernetes`.

The worker reads the code and hands it to the registry; packages, model files and the base image are
fetched by the Job. The Job is the record of the build, for as long as the installation keeps things.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

from service import sources
from service.adapters.kubernetes import build_manifest
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.build_manifest import job_name
from service.adapters.kubernetes.job_manifest import object_name
from service.adapters.kubernetes.job_states import Form
from service.adapters.kubernetes.named_jobs import NamedJobs
from service.adapters.oci import handing, installing
from service.adapters.oci.blobs import canonical
from service.adapters.oci.build import opener, read_result, where, write_result
from service.adapters.oci.build_away import Order
from service.adapters.oci.push import SECONDS, STORE
from service.adapters.oci.remote import Remote, login_of
from service.ports.builds import Image, Recipe
from service.ports.connections import Cluster, Source
from service.ports.jobs import Limits
from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printed
from service.settings import Settings


def _read(message: bytes) -> Image | Failed:
    """What a build's pod said last."""
    try:
        found = read_result(message)
    except (ValueError, KeyError, TypeError):
        return Failed("the build ended with something else than a result")
    return Failed(found) if isinstance(found, str) else found


def _write(image: Image) -> bytes:
    return canonical(write_result(image))


FORM = Form(_read, _write)


class KubernetesBuilder:
    """The builder of an installation whose images are made in a cluster. `find` gives the cluster
    as it is connected now; `limits` are what a build may use there."""

    capabilities = frozenset({"lock"})  # nothing of a package is ever executed
    limits = build_manifest.LIMITS
    form = FORM

    def __init__(
        self,
        settings: Settings,
        find: Callable[[], Cluster],
        environ: Mapping[str, str],
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._find = find
        self._environ = environ
        self._limits = limits or self.limits
        self._known: tuple[Cluster, NamedJobs[Image]] | None = None

    @classmethod
    def open(cls, settings: Settings, find: Callable[[], Cluster]) -> Self:
        """The builder of this installation."""
        return cls(settings, find, os.environ)

    def start(self, recipe: Recipe) -> None:
        """Begin, unless a build of this name runs or has finished well; a failed one starts anew.

        Reads the code and pushes it first, which takes as long as it is large.
        """
        if isinstance(self.state(recipe.name), Working | Image):
            return
        cluster, jobs = self._find(), self._jobs()
        order = self._order(replace(recipe, name=object_name(recipe.name)))
        jobs.begin(job_name(recipe.name), self._body(order, cluster.owner))

    def state(self, name: str) -> Working | Image | Failed | Gone:
        """How far the build is; its outcome is kept when it is first seen."""
        return self._jobs().state(job_name(name))

    def cancel(self, name: str) -> None:
        """End the build; one that has ended is left as it is."""
        self._jobs().cancel(job_name(name))

    def logs(self, name: str) -> str:
        """The end of what the build printed."""
        return self._jobs().logs(job_name(name))

    def read_on(self, name: str, mark: str) -> Printed:
        """What the build's pods printed behind the mark."""
        return self._jobs().read_on(job_name(name), mark)

    def tidy(self, keep: frozenset[str], seconds: float) -> None:
        """Nothing: the cluster removes Jobs when they are old, and images are the registry's to keep."""

    def _body(self, order: Order, owner: str) -> dict[str, Any]:
        installer = installing.passed(self._environ)
        return build_manifest.manifest(self._settings, order, installer, owner, self._limits)

    def _order(self, recipe: Recipe) -> Order:
        """What the Job is told. Raises `Refused` or `Retry`, as the source and the registry do."""
        known = {source.name: source for source in sources.load(self._settings.home)}
        needed: tuple[Source, ...] = ()
        if recipe.model is not None and recipe.model.source in known:
            needed = (known[recipe.model.source],)
        return Order(recipe, self._handed(recipe), needed)

    def _handed(self, recipe: Recipe) -> dict[str, Any] | None:
        if recipe.code is None:
            return None
        registry, repository = where(self._settings, recipe)
        login = login_of(self._settings.secret("login-images"))
        remote = Remote(registry, login, actions="pull,push", seconds=SECONDS, store=STORE)
        git = opener(self._settings)(recipe.code.source)
        return handing.hand_over(remote, repository, git, recipe.code, f"{recipe.name}.code")

    def _jobs(self) -> NamedJobs[Image]:
        cluster = self._find()
        if self._known is None or self._known[0] != cluster:
            jobs = NamedJobs(Api.of(cluster), cluster.owner, cluster.namespace, form=self.form, what="build")
            self._known = (cluster, jobs)
        return self._known[1]
