"""The shapes that the API answers and takes, by name.

Answers have every field, null where there is nothing; later versions may add fields. What a field means
stands in docs/reference/http.md, and tests compare the two.
"""

from collections.abc import Mapping

from service.openapi import of_releases, of_the_installation, sent
from service.openapi.schema import Schema

SHAPES: Mapping[str, Schema] = {**sent.SHAPES, **of_releases.SHAPES, **of_the_installation.SHAPES}
