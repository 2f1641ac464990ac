"""A real push ends in traffic that shifts between pods, under 100 requests a second."""

from tests.cluster.load import Load
from tests.cluster.pushes import FILE, first_version, good_and_bad, push
from tests.cluster.whole import SETTLED, Control, eventually


def test_pushes_are_built_evaluated_and_shifted_in_the_cluster(
    login, kubectl, images, gateway, namespace, tmp_path
):
    with Control(tmp_path, login, namespace, images, gateway) as control:
        first = first_version(control)
        assert first["metrics"] == {"quality": 0.9}
        with Load(control.target("echo/production")["address"]) as load:
            begun, good, bad = good_and_bad(control, load, first)
            push(control, 4, quality=0.1)
            refused = control.outcome(control.next_release("echo", after=["rel-1", "rel-2", "rel-3"]))
            assert refused["phase"] == "refused"

            control.say("rollback", "echo")
            back = control.outcome("rel-5")
            assert back["phase"] == "promoted", control.say("show", back["name"])
            after = load.now()
            eventually(lambda: load.now() > after + 6, "time stands still")
        assert load.story(begun) == ""
        assert {s for v, s in load.counts(begun) if v in {first["backend"], good["backend"]}} == {200}
        assert load.counts()[bad["backend"], 500] <= 40
        assert set(load.counts(after + SETTLED)) == {(first["backend"], 200)}
        assert refused["backend"] not in {version for version, _ in load.counts()}


def test_a_blue_green_switch_moves_all_traffic_at_once_and_back_in_one_command(
    login, kubectl, images, gateway, namespace, tmp_path
):
    file = FILE + "strategy: bluegreen\n"
    file = "".join(line for line in file.splitlines(keepends=True) if not line.startswith(("ladder", "risk")))
    with Control(tmp_path, login, namespace, images, gateway) as control:
        push(control, 1, file=file)
        first = control.outcome(control.next_release("echo"))
        assert first["phase"] == "promoted", control.say("show", first["name"])
        with Load(control.target("echo/production")["address"]) as load:
            eventually(lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer")
            begun = load.now()
            push(control, 2, file=file)
            second = control.outcome(control.next_release("echo", after=["rel-1"]))
            assert second["phase"] == "promoted"
            between = load.now()
            control.say("rollback", "echo")
            assert control.outcome("rel-3")["phase"] == "promoted"
            after = load.now()
            eventually(lambda: load.now() > after + 6, "time stands still")
        assert load.story(begun) == ""
        assert load.counts(between)[second["backend"], 200] > 0
        assert set(load.counts(after + SETTLED)) == {(first["backend"], 200)}
