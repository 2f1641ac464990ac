"""A real push, and a real alias in MLflow, end in traffic that shifts between pods, under 100 requests a second."""

from tests.cluster.load import Load
from tests.cluster.whole import SETTLED, Control, eventually

FILE = """\
name: echo
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
evaluate: {run: python evaluate.py, gates: {quality: ">= 0.5"}, resources: {cpu: 0.2, memory: 64Mi}}
resources: {cpu: 0.2, memory: 64Mi}
risk: 2%
ladder: [10%, 30%, 60%, 100%]
dwell: 2s
watch: 5s
"""
SERVE = """\
import http.server, os, signal, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self):
        Handler.asked += 1
        broken = self.path != "/healthz" and EVERY and Handler.asked % EVERY == 0
        self.send_response(500 if broken else 200)
        self.send_header("Content-Length", "5")
        self.send_header("X-Version", os.environ["SEGUE_VERSION"])
        self.end_headers()
        self.wfile.write(b"fine\\n")

    def log_message(self, *_):
        pass

EVERY = 0
server = http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
server.daemon_threads = True
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
EVALUATE = """\
import json, os
json.dump({"quality": QUALITY}, open(os.environ["SEGUE_RESULT"], "w"))
"""


def push(control, number, *, every=0, quality=0.9, file=FILE):
    """Push another version, of which every so many answers fail."""
    return control.declare(
        file,
        requirements__lock="# nothing but Python\n",
        serve__py=f"# {number}\n" + SERVE.replace("EVERY = 0", f"EVERY = {every}"),
        evaluate__py=EVALUATE.replace("QUALITY", str(quality)),
    )


def test_pushes_are_built_evaluated_and_shifted_in_the_cluster(
    login, kubectl, images, gateway, namespace, tmp_path
):
    with Control(tmp_path, login, namespace, images, gateway) as control:
        push(control, 1)
        first = control.outcome(control.next_release("echo"))
        assert first["phase"] == "promoted", control.say("show", first["name"])
        assert first["metrics"] == {"quality": 0.9}
        with Load(control.target("echo/production")["address"]) as load:
            eventually(lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer")
            begun = load.now()
            push(control, 2)
            good = control.outcome(control.next_release("echo", after=["rel-1"]))
            assert good["phase"] == "promoted", control.say("show", good["name"])
            assert good["proven"]

            push(control, 3, every=5)
            bad = control.outcome(control.next_release("echo", after=["rel-1", "rel-2"]))
            assert bad["phase"] == "rolled back", control.say("show", bad["name"])

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
