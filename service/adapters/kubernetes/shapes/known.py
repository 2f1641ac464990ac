"""The shapes by the word that `route` has before a namespace and a name; none: a route of Gateway API."""

from collections.abc import Mapping

from service.adapters.kubernetes.shapes import Shape
from service.adapters.kubernetes.shapes.gateway_api import GatewayApi
from service.adapters.kubernetes.shapes.ingress import Ingress
from service.adapters.kubernetes.shapes.istio import Istio
from service.adapters.kubernetes.shapes.traefik import Traefik

SHAPES: Mapping[str, Shape] = {
    "": GatewayApi(),
    "virtualservice": Istio(),
    "traefikservice": Traefik(),
    "ingress": Ingress(),
}
