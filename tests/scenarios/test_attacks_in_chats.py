"""More attacks on approvals, through a chat: each by its name, and none lets a release begin."""

from dataclasses import replace

import pytest

from policies.release import Phase
from service.identity import people
from tests.scenarios.test_chat import ASKED, SLACK, TWICE, Chatting

BEGUN = {Phase.STARTING, Phase.CHECKING, Phase.SHADOWING, Phase.SHIFTING, Phase.WATCHING, Phase.PROMOTED}
ATTACKS = {}


def attack(name):
    """Registers an attack by its name."""

    def keep(made):
        assert name not in ATTACKS
        ATTACKS[name] = made
        return made

    return keep


@pytest.fixture
def world(tmp_path, stores):
    made = Chatting(tmp_path, **stores)
    yield made
    made.close()


@attack("its author, in the chat")
def author(world):
    name = world.waiting()
    world.slash(f"approve {name}", who="UANN")
    return name


@attack("its author, by a second account that the chat's list calls by another name")
def second_account(world):
    people.name(world.store, "annie", ("Ann Example", "slack:bob"))
    name = world.waiting(author="Ann Example")
    world.slash(f"approve {name}", who="UBOB")
    return name


@attack("one person in the chat and with a token, for two")
def twice(world):
    name = world.waiting(TWICE)
    world.slash(f"approve {name}")
    assert world.say("approve", name, who="bob").ok
    return name


@attack("one person in the chat and with a token of another name, for two")
def twice_mapped(world):
    people.name(world.store, "robert", ("slack:bob", "eve"))
    name = world.waiting(TWICE)
    world.slash(f"approve {name}")
    assert world.say("approve", name, who="eve").ok
    return name


@attack("another room than the one that is asked")
def other_room(world):
    name = world.waiting()
    world.slash(f"approve {name}", room="C2")
    return name


@attack("another workspace")
def other_workspace(world):
    name = world.waiting()
    world.slash(f"approve {name}", team="T2")
    return name


@attack("a stranger who calls themselves by a name on the list")
def stranger(world):
    name = world.waiting()
    world.slash(f"approve {name}", who="UEVE")
    return name


@attack("an old button, for a newer release's plan")
def old_button(world):
    first = world.waiting()
    shown = world.shown(first)
    world.slash(f"reject {first}", who="USUE")
    name = world.waiting()
    world.press("Approve", message=shown)
    return name


@attack("a message signed with another secret")
def forged(world):
    name = world.waiting()
    body = f"command=%2Fsegue&text=approve+{name}&user_id=UBOB&team_id=T1&channel_id=C1".encode()
    assert world.send(body, secret=b"guess").status_code == 401
    world.settle()
    return name


@attack("a message that was signed long ago")
def old_signature(world):
    name = world.waiting()
    body = f"command=%2Fsegue&text=approve+{name}&user_id=UBOB&team_id=T1&channel_id=C1".encode()
    assert world.send(body, at=world.clock.now - 600).status_code == 401
    world.settle()
    return name


@attack("an override in a chat, which knows no admins")
def override(world):
    name = world.waiting()
    world.slash(f"override {name} I am in a hurry")
    return name


@attack("somebody who was taken off the chat's list before the release began")
def taken_off(world):
    holder = world.waiting()
    world.slash(f"approve {holder}")
    name = world.waiting()
    world.slash(f"approve {name}")
    assert world.phase(name) is Phase.QUEUED
    world.connect_chat(replace(SLACK, people=(("UANN", "ann"), ("USUE", "sue"))))
    assert world.say("abort", holder, who="ann").ok
    world.settle()
    assert "may not command at slack any more" in world.release(name).reason
    return name


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_in_a_chat_lets_nothing_begin(world, name):
    release = ATTACKS[name](world)
    assert world.phase(release) not in BEGUN
    assert world.release(release).epoch == 0


def test_without_an_attack_an_approval_in_the_chat_lets_a_release_begin(world):
    name = world.waiting(ASKED)
    world.slash(f"approve {name}")
    assert world.phase(name) in BEGUN
