"""Which repositories of an organisation are asked for their files: those that were pushed to, and the rest once."""

from service.arrivals.organisations import MOST_ASKED, Candidate, candidates
from service.ports.organisations import Repository


def listed(**changed: float) -> list[Repository]:
    """Newest first, as hosts list them."""
    made = [
        Repository(f"acme/{name}", f"https://git.example/acme/{name}", at) for name, at in changed.items()
    ]
    return sorted(made, key=lambda one: -one.changed)


def test_what_was_there_when_it_was_connected_is_asked_for_once_and_starts_nothing():
    seen = {"acme/a": "?100.0", "acme/b": "?200.0"}
    assert candidates(listed(a=100.0, b=200.0), seen, whole=False) == (
        Candidate("acme/b", 200.0, new=False),
        Candidate("acme/a", 100.0, new=False),
    )
    assert candidates(listed(a=100.0, b=200.0), {"acme/a": "100.0", "acme/b": "200.0"}, whole=True) == ()


def test_a_push_since_makes_it_new_also_where_nobody_had_asked_yet():
    for before in ("?100.0", "100.0"):
        assert candidates(listed(a=300.0), {"acme/a": before}, whole=False) == (
            Candidate("acme/a", 300.0, new=True),
        )


def test_a_repository_nobody_knew_is_new_only_if_it_was_pushed_to_after_all_that_was_seen():
    seen = {"acme/a": "1000.0"}
    assert candidates(listed(a=1000.0, b=2000.0, c=500.0), seen, whole=True) == (
        Candidate("acme/b", 2000.0, new=True),
        Candidate("acme/c", 500.0, new=False),
    )


def test_one_that_was_archived_and_is_back_is_not_new():
    assert candidates(listed(a=100.0, b=900.0), {"acme/a": "-100.0", "acme/b": "900.0"}, whole=True) == (
        Candidate("acme/a", 100.0, new=False),
    )


def test_the_list_is_read_no_further_than_what_is_older_than_everything_seen():
    read = []

    def told():
        for one in listed(a=5000.0, b=4000.0, c=1000.0, d=900.0, e=800.0):
            read.append(one.path)
            yield one

    seen = {
        f"acme/{name}": f"{at}" for name, at in {"b": 4000.0, "c": 1000.0, "d": 900.0, "e": 800.0}.items()
    }
    assert candidates(told(), seen, whole=False) == (Candidate("acme/a", 5000.0, new=True),)
    assert read == ["acme/a", "acme/b", "acme/c"]
    assert len(list(candidates(told(), seen, whole=True))) == 1
    assert read[3:] == [f"acme/{name}" for name in "abcde"]


def test_few_are_asked_for_at_a_time_and_what_was_pushed_goes_first():
    many = {f"r{number:03}": float(number) for number in range(300)}
    seen = {f"acme/{name}": f"?{at}" for name, at in many.items()}
    found = candidates(listed(**many | {"r007": 500.0}), seen, whole=True)
    assert len(found) == MOST_ASKED
    assert found[0] == Candidate("acme/r007", 500.0, new=True)
