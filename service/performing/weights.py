"""What is mounted into a version's pods, to be evaluated and to serve."""

from policies import weights
from policies.spec.declaration_cluster import BucketWeights, Weights
from policies.version import Version
from service.bootstrap import Parts
from service.performing.images import repository_of
from service.ports.outcomes import Refused


def weights_of(parts: Parts, version: Version) -> Weights | None:
    """The version's weights, as its pods mount them; None: all is in the image."""
    repository = "" if version.weights is None else repository_of(parts, version)
    copier = parts.settings.builder_image
    if isinstance(version.model.weights, BucketWeights) and copier is None:
        raise Refused("what copies weights from a bucket is Segue's own image; name it: SEGUE_BUILDER_IMAGE")
    try:
        return weights.weights_of(version, repository, copier or "")
    except ValueError as error:
        raise Refused(str(error)) from error


def told(weights: Weights | None) -> tuple[tuple[str, str], ...]:
    """Where a command finds them, in the variable that says where a model is that is a layer."""
    return () if weights is None else (("SEGUE_MODEL_PATH", weights.path),)
