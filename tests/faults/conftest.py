"""The two kinds of stores that harnesses run on."""

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request):
    """The URL of a new PostgreSQL database; None for SQLite."""
    if request.param == "sqlite":
        return None
    return request.getfixturevalue("postgres").new_database()
