"""The names of what runs somewhere."""

import pytest

from policies.place import HERE, Place, backend_name

KEY = "0123456789abcdef"
PROD = Place("prod", "ml")


@pytest.mark.parametrize(
    ("place", "model", "name"),
    [
        (HERE, "wine", "wine-production-0123456789"),
        (PROD, "wine", "wine-production-0123456789.ml"),
        (HERE, "3d-net", "3d-net-production-0123456789"),
        (PROD, "3d-net", "m-3d-net-production-0123456789.ml"),
    ],
)
def test_a_service_s_name_begins_with_a_letter(place, model, name):
    assert backend_name(model, "production", KEY, place) == name


@pytest.mark.parametrize("letter", ["a", "3"])
def test_long_names_differ_in_a_service_s_63_characters(letter):
    names = {backend_name(letter * 40, f"{'b' * 39}{end}", KEY, PROD) for end in "12"}
    assert len(names) == 2
    assert all(len(name.partition(".")[0]) <= 52 for name in names)
