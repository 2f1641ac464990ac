"""Builds images from Dockerfiles with Buildah, as Jobs of a cluster: the image builder `buildah`.

A Dockerfile runs a stranger's code: in a container of its own that has no login to push with and none of
Segue's keys. As for every build in a cluster, code comes and images go through the registry.
"""

from dataclasses import replace
from typing import Any

from service.adapters.kubernetes import build_manifest, buildah_words, dockerfile_manifest
from service.adapters.kubernetes.builds import FORM, KubernetesBuilder
from service.adapters.kubernetes.dockerfile_manifest import Given
from service.adapters.oci import installing
from service.adapters.oci.build import opener
from service.adapters.oci.build_away import Order
from service.adapters.oci.interpreter import host_interpreter
from service.ports.outcomes import Refused


class BuildahBuilder(KubernetesBuilder):
    """The builder of what a Dockerfile describes."""

    capabilities = frozenset({"dockerfile"})
    limits = dockerfile_manifest.LIMITS
    form = replace(FORM, containers=dockerfile_manifest.CONTAINERS, explain=buildah_words.explain)

    def _body(self, order: Order, owner: str) -> dict[str, Any]:
        code = order.recipe.code
        if code is None or order.recipe.dockerfile is None:
            raise Refused("the version has no Dockerfile")
        told = build_manifest.environment(installing.passed(self._environ))
        proxies = tuple((name, value) for name, value in told.items() if name.upper().endswith("_PROXY"))
        made = opener(self._settings)(code.source).committed(code.commit)
        given = Given(made, host_interpreter().architecture, proxies)
        return dockerfile_manifest.manifest(self._settings, order, given, owner, self._limits)
