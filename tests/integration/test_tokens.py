"""`segue token`: a name for a person or CI, shown once, and the one before it ends."""

from click.testing import CliRunner

from service import tokens
from service.cli.main import group
from service.store import Store


def made(home, name):
    result = CliRunner().invoke(group, ["token", name], env={"SEGUE_HOME": str(home)})
    assert result.exit_code == 0
    return result.output.strip()


def test_a_token_speaks_for_its_name_until_another_is_made(tmp_path):
    first = made(tmp_path, "ann")
    store = Store.open(f"sqlite:///{tmp_path}/stores/engine.db")
    assert tokens.actor(store, f"Bearer {first}") == "ann"
    second = made(tmp_path, "ann")
    assert tokens.actor(store, f"Bearer {first}") is None
    assert tokens.actor(store, f"Bearer {second}") == "ann"
    store.close()


def test_the_operators_own_token_is_not_replaced(tmp_path):
    result = CliRunner().invoke(group, ["token", "operator"], env={"SEGUE_HOME": str(tmp_path)})
    assert result.exit_code == 1
