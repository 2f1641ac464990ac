"""A model that is pushed version by version, and what becomes of a good and of a bad one under load."""

from tests.cluster.whole import eventually

FILE = """\
name: echo
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
evaluate: {run: python evaluate.py, gates: {quality: ">= 0.5"}, resources: {cpu: 0.2, memory: 64Mi}}
resources: {cpu: 0.2, memory: 64Mi}
risk: 2%
ladder: [10%, 30%, 60%, 100%]
dwell: 2s
warm_up: 0s
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

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of 5, as Python has it, a burst of connections waits for seconds

EVERY = 0
server = Server((os.environ["HOST"], int(os.environ["PORT"])), Handler)
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


def first_version(control):
    """Push a first version, which is promoted at once; its release."""
    push(control, 1)
    first = control.outcome(control.next_release("echo"))
    assert first["phase"] == "promoted", control.say("show", first["name"])
    return first


def good_and_bad(control, load, first, patience=60):
    """Under load, push one that is promoted with evidence and one that is rolled back.

    When the load reached the first version, and the two releases.
    """
    eventually(
        lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer", patience
    )
    begun = load.now()
    push(control, 2)
    good = control.outcome(control.next_release("echo", after=["rel-1"]))
    assert good["phase"] == "promoted", control.say("show", good["name"])
    assert good["proven"]
    push(control, 3, every=5)
    bad = control.outcome(control.next_release("echo", after=["rel-1", "rel-2"]))
    assert bad["phase"] == "rolled back", control.say("show", bad["name"])
    return begun, good, bad
