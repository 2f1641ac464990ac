"""Which weights one version has: what its declaration says, with the version in it.

Whoever starts the version, to be evaluated or to serve, gets the same answer.
"""

from dataclasses import replace

from policies.spec.declaration_cluster import VERSION, BucketWeights, ClaimWeights, ImageWeights, Weights
from policies.version import Version

SUMS = "segue.sums"  # tag of a registered version: the SHA-256 of the SHA256SUMS of its weights


def weights_of(version: Version, repository: str, copier: str) -> Weights | None:
    """Where the version's weights are; None where it has none of its own.

    `repository` is where images that Segue builds are, `copier` the image that copies from buckets.
    Raises `ValueError` for what is not known.
    """
    match version.model.weights:
        case ClaimWeights() as claimed:
            return replace(claimed, folder=_numbered(claimed.folder, version))
        case ImageWeights(image=None) as built:
            if version.weights is None:
                raise ValueError("the image of the version's weights was not built")
            return replace(built, image=f"{repository}@{version.weights}")
        case BucketWeights() as bucket:
            sums = bucket.sums or (version.registered.sums if version.registered else None)
            if sums is None:
                raise ValueError(
                    f"nothing says what the weights in {bucket.url} must be; tag the version {SUMS}"
                )
            return replace(bucket, url=_numbered(bucket.url, version), sums=sums, copier=copier)
        case said:
            return said


def _numbered(where: str, version: Version) -> str:
    if VERSION not in where:
        return where
    if version.registered is None:
        raise ValueError(f"the version is no registered one, so it has no weights in {where}")
    return where.replace(VERSION, version.registered.version)
