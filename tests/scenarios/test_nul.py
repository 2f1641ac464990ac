"""A NUL is in no name, and PostgreSQL knows it in no text: whoever asks for one is told so."""

import pytest

PATHS = ("releases/%00", "targets/%00/x", "releases?model=a%00b", "releases?target=%00", "record?subject=%00")
WRONG = {404, 400}


@pytest.mark.every_store
@pytest.mark.parametrize("path", PATHS)
def test_a_nul_in_an_address_is_a_mistake_of_who_asks(world, path):
    headers = {"Authorization": f"Bearer {world.people['ann']}"}
    assert world.web.get(f"/api/v1/{path}", headers=headers).status_code in WRONG
    assert world.web.get(f"/{path}").status_code in WRONG
