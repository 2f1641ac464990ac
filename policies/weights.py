"""Which weights one version has: what its declaration says, with the version in it.

Whoever starts the version, to be evaluated or to serve, gets the same answer.
"""

from dataclasses import replace

from policies.spec.declaration import VERSION, ClaimWeights, ImageWeights, Weights
from policies.version import Version


def weights_of(version: Version, repository: str) -> Weights | None:
    """Where the version's weights are; None where it has none of its own.

    `repository` is where images that Segue builds are. Raises `ValueError` for what is not known.
    """
    match version.model.weights:
        case ClaimWeights(folder=folder) as claimed if VERSION in folder:
            if version.registered is None:
                raise ValueError("the version is no registered one, so its weights have no folder")
            return replace(claimed, folder=folder.replace(VERSION, version.registered.version))
        case ImageWeights(image=None) as built:
            if version.weights is None:
                raise ValueError("the image of the version's weights was not built")
            return replace(built, image=f"{repository}@{version.weights}")
        case said:
            return said
