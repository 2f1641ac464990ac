"""The world outside of Segue, as a process that nobody kills: Git, builder, jobs, workloads, router and users.

It holds the memory adapters that ship with Segue and is reached over a socket, so that what a killed
process did stays done. Calls are served one at a time and written into a journal; some are answered late,
or with `Retry` before or after they were done. Its people push commits, sign and repeat deliveries, drop
some, and give commands; they remember what was acknowledged.
"""

import json
import mmap
import os
import random
import signal
import struct
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Listener

from handlers import bare_hook, signing
from service.adapters.memory.archive import MemoryArchive
from service.adapters.memory.builder import MemoryBuilder
from service.adapters.memory.chat import MemoryChat
from service.adapters.memory.deployment import MemoryDeployment
from service.adapters.memory.git import MAIN, MemoryGit
from service.adapters.memory.jobs import MemoryJobs
from service.adapters.memory.lineage import MemoryLineage
from service.adapters.memory.metrics import MemoryMetrics
from service.adapters.memory.receiver import MemoryReceiver
from service.adapters.memory.registry import MemoryRegistry
from service.adapters.memory.router import MemoryRouter
from service.adapters.memory.signatures import MemorySignatures
from service.adapters.memory.workloads import MemoryWorkloads
from service.ports.builds import Image
from service.ports.outcomes import PortError, Refused, Retry
from tests.faults import beside

SECRET = b"a-secret-of-the-harness"
MODEL = """\
name: {name}
build: {{lock: requirements.lock}}
serve: {{run: python serve.py, port: 8080}}
evaluate: {{run: python evaluate.py, gates: {{quality: ">= 0.5"}}}}
risk: 20%
false_rollbacks: 1%
ladder: [10%, 50%, 100%]
dwell: 2s
warm_up: 0s
watch: 4s
patience: 1m
"""
REQUESTS = 1500  # a second and target
FAILING = 0.3  # the share of a bad version's answers that are errors
SLOW = 35.0  # seconds of the shared clock: longer than any lease of work
TURN = 0.005  # seconds of the machine's clock, as the next
LONGEST_STEP = 2.0
NAP, LONGEST_NAP = 0.005, 0.1  # the same, of who found nothing to do
KINDS = ("intake", "urgent", "patient", "reconciler", "observer")  # of bodies
WORKING = ("urgent", "patient")
INSIDE = frozenset({
    "git", "forge", "organisation", "joined", "builder", "signatures", "jobs", "workloads", "deployment",
    "router", "registry", "chat", "receiver", "archive", "lineage",
})  # fmt: skip
SENT_AGAIN = 4.0  # seconds after which a sender that heard nothing sends once more


class SharedClock:
    """One clock for all processes. It stands until the world moves it, a step at a time.

    The next step waits until a body of each kind has got on since the last one, or for `LONGEST_STEP`: on a
    machine that has little time for us it goes slower, and nobody is late for that.
    """

    def __init__(self, now=1_700_000_000.0):
        self._memory = mmap.mmap(-1, 24 + 16 * len(KINDS))
        self._memory[:24] = struct.pack("ddq", now, 0.0, 0)
        self._seen, self._moved = (), time.monotonic()

    def __call__(self):
        return struct.unpack("d", self._memory[:8])[0]

    def move(self, seconds):
        """Go on, or jump."""
        self._memory[:8] = struct.pack("d", self() + seconds)

    def run(self, step):
        """Go on by steps of so many seconds from now on; 0: stand."""
        self._memory[8:16] = struct.pack("d", step)

    def beat(self, kind, *, did=False):
        """A body of that kind has got on, and did something that others may have waited for, or found nothing."""
        self._count(24 + 8 * KINDS.index(kind))
        self._count(16 if did else 24 + 8 * len(KINDS) + 8 * KINDS.index(kind))

    def beats(self):
        """How often bodies have got on, by `KINDS`."""
        return struct.unpack(f"{len(KINDS)}q", self._memory[24 : 24 + 8 * len(KINDS)])

    def rests(self):
        """How often those who work have found nothing to do."""
        found = struct.unpack(f"{len(KINDS)}q", self._memory[24 + 8 * len(KINDS) :])
        return [found[KINDS.index(kind)] for kind in WORKING]

    def _count(self, at):
        count = struct.unpack("q", self._memory[at : at + 8])[0]
        self._memory[at : at + 8] = struct.pack("q", count + 1)

    def now(self):
        """What a body compares to see whether it is time, or somebody did something."""
        return self._memory[:8], self._memory[16:24]

    def idle(self, before, *, time_only):
        """Return when the clock has moved, or somebody did something since `before`; soon in any case."""
        until = time.monotonic() + LONGEST_NAP
        while time.monotonic() < until:
            now = self.now()
            if now[0] != before[0] or (now[1] != before[1] and not time_only):
                return
            time.sleep(NAP)

    def turn(self):
        """Called often by one process: make a step where it is time for one."""
        step = struct.unpack("d", self._memory[8:16])[0]
        if step:
            self.go_on(step)

    def go_on(self, step):
        """Make one step, unless somebody has not got on yet; whether it was made."""
        beats = self.beats()
        self._seen = self._seen or beats
        late = time.monotonic() - self._moved > LONGEST_STEP
        if not (late or all(a != b for a, b in zip(beats, self._seen, strict=True))):
            return False
        self.move(step)
        self._moved, self._seen = time.monotonic(), beats
        return True


@dataclass(frozen=True)
class Written:
    """A traffic write that the router took: when, by which process, and what was running then."""

    pid: int
    target: str
    epoch: int
    attempt: int
    weights: tuple[tuple[str, float], ...]
    missing: tuple[str, ...]  # backends with traffic that no workload stood behind


@dataclass
class Seen:
    """The journal: what happened outside, for whoever checks it at the end."""

    writes: list[Written] = field(default_factory=list)
    builds: Counter = field(default_factory=Counter)  # by name: how often it was really begun
    jobs: Counter = field(default_factory=Counter)
    starts: Counter = field(default_factory=Counter)
    running: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)  # by commit
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    comments: set[str] = field(default_factory=set)  # keys of the answers that commands in comments get
    answers: dict[str, int] = field(default_factory=dict)  # by key: how many stand at the host
    turns: dict[str, list[str]] = field(default_factory=dict)  # of the receiver, by release: what it was told
    messages: dict[str, list[str]] = field(default_factory=dict)  # of the chat, by key: what each says
    deployed: dict[str, str] = field(default_factory=dict)  # by key: what the host's list says
    kept: dict[str, bytes] = field(default_factory=dict)  # checkpoints, by name
    runs: list[dict] = field(default_factory=list)  # what the server of lineage was told
    pushes: list[tuple[str, str]] = field(default_factory=list)  # commit and model, in order
    tips: dict[str, bytes] = field(default_factory=dict)  # by model: what its newest serve.py says
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by commit and model
    acknowledged: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # id: row, body
    commands: set[str] = field(default_factory=set)  # the ids among them that are commands
    refused: list[str] = field(default_factory=list)  # answers other than 202 and 503
    served: dict[str, float] = field(default_factory=dict)  # by backend: requests
    calls: Counter = field(default_factory=Counter)
    trouble: Counter = field(default_factory=Counter)
    dropped: int = 0
    unacknowledged: int = 0


class World:
    """Everything outside; one call at a time."""

    def __init__(self, clock, seed, models, trouble, wide):
        self.clock, self.dice, self.trouble = clock, random.Random(seed), trouble
        self.seen = Seen()
        self.git, self.builder, self.jobs = MemoryGit(), MemoryBuilder(clock=clock), MemoryJobs()
        self.jobs.results[""] = {"quality": 0.9}
        self.workloads, self.router = MemoryWorkloads(), MemoryRouter()
        self.registry, self.forge, self.chat = MemoryRegistry(), MemoryGit(), MemoryChat()
        self.receiver, self.organisation = MemoryReceiver(), beside.Renaming()
        self.joined, self.signatures = self.organisation.host, MemorySignatures()
        self.archive, self.lineage = MemoryArchive(), MemoryLineage()
        self.deployment = MemoryDeployment(beside.FOUND, beside.FOUND_IMAGE)
        self.counters = MemoryMetrics(clock)
        self.people = People(self, models, wide)
        self.metrics = Metrics(self)
        self.broken = {}  # "adapter.method": the reason, or "hang"
        self._lock = threading.Lock()

    def call(self, pid, name, method, arguments):
        """Do one call for a process; what it returns or raises goes back to it."""
        outside = name not in INSIDE
        with self._lock:
            before = "" if outside else self._trouble("before")
            reason = self.broken.get(f"{name}.{method}") or self.broken.get(name)
        if reason == "hang":
            time.sleep(3600)
        if before or reason:
            raise Retry(reason or "not now", after=0.2)
        with self._lock:
            if name == "world":
                return getattr(self, method)(*arguments)
            note = getattr(self, f"_{name}_{method}", None)
            after = None if note is None else note(*arguments)
            try:
                result = getattr(getattr(self, name), method)(*arguments)
            except Refused:
                self.seen.trouble["refused write"] += (name, method) == ("router", "set")
                raise
            self.seen.calls[f"{name}.{method}"] += 1
            if after is not None:
                after(pid)
            trouble = "" if outside else self._trouble("after")
        if trouble == "slow":
            self._wait(SLOW)
        elif trouble:
            raise Retry("it was done, and its answer got lost", after=0.2)
        return result

    def _trouble(self, when):
        if not self.people.busy or self.dice.random() >= self.trouble:
            return ""
        kind = "slow" if when == "after" and self.dice.random() < 0.1 else when
        self.seen.trouble[kind] += 1
        return kind

    def _wait(self, seconds):
        until = self.clock() + seconds
        while self.clock() < until:
            time.sleep(0.02)

    # --- what is worth a line in the journal ----------------------------------------------------

    def _router_set(self, route):
        def note(pid):
            weights = tuple((b.name, b.weight) for b in route.backends)
            missing = tuple(n for n, w in weights if w > 0 and n not in self._running())
            self.seen.writes.append(Written(pid, route.target, route.epoch, route.attempt, weights, missing))

        return note

    def _builder_start(self, recipe):
        known = recipe.name in self.builder._left or isinstance(self.builder._ended.get(recipe.name), Image)
        # One that takes longer than others' releases: what is older by then must not come after them.
        self.builder._looks = 150 if self.people.busy and self.dice.random() < 0.15 else 1
        return lambda _pid: self.seen.builds.update([] if known else [recipe.name])

    def _jobs_start(self, job):
        before = len(self.jobs.started)
        return lambda _pid: self.seen.jobs.update([job.name] if len(self.jobs.started) > before else [])

    def _workloads_start(self, order):
        fresh = order.name not in self.workloads.running
        return lambda _pid: self.seen.starts.update([order.name] if fresh else [])

    _deployment_start = _workloads_start

    def _running(self):
        return (*self.workloads.running, *self.deployment.running)

    # --- asked and told by the harness ------------------------------------------------------------

    def report(self):
        """The journal, with how everything stands now."""
        seen = self.seen
        seen.running = tuple(name for name in self._running() if name != beside.FOUND)
        seen.aliases = self.registry.aliases()
        seen.deployed = {one.key: one.state.value for one in self.forge.deployments}
        seen.kept, seen.runs = dict(self.archive.files), list(self.lineage.events)
        seen.answers = Counter(key for _, key in self.forge.comments)
        seen.messages = self._messages()
        for notice in self.receiver.told:
            seen.turns.setdefault(notice.about, []).append(notice.turn.value)
        seen.notes = {commit: self.git.note(commit) for commit, _ in seen.pushes}
        seen.served = {name: one.requests for name, one in self.counters._counters.items()}
        seen.unacknowledged = len(self.people.waiting)
        return seen

    def _messages(self):
        found = {}
        for one in self.chat.posted.values():
            found.setdefault(one.key, []).append(one.message.title)
        return found

    def names(self):
        """What sources name now, by source and reference."""
        refs = {("git", ref): commit for ref, commit in self.git._refs.items()}
        refs |= {("forge", ref): commit for ref, commit in self.forge._refs.items()}
        aliases = self.registry._aliases.items()
        return refs | {("mlflow", f"{model}@{alias}"): version for (model, alias), version in aliases}

    def break_(self, what, reason):
        """From now on every call of this adapter (or one method) fails; "hang": it never answers."""
        self.broken[what] = reason

    def mend(self):
        """Everything works again, and nothing is in trouble any more."""
        self.broken.clear()
        self.trouble = 0.0

    def bad(self, backend):
        """Whether what runs under that name is a bad version."""
        order = self.workloads._orders.get(backend) or self.deployment._orders.get(backend)
        for name, ended in self.builder._ended.items():
            if order is not None and isinstance(ended, Image) and order.image.endswith(ended.digest):
                code = self.builder._recipes[name].code
                return b"bad" in (self.git.file(code.commit, f"{code.folder}/serve.py") or b"")
        return False


class Metrics:
    """The router's counters: users ask all the time, and are counted when somebody reads."""

    def __init__(self, world):
        self._world, self._counted = world, world.clock()

    def sample(self):
        world, now = self._world, self._world.clock()
        span, self._counted = max(0.0, min(now - self._counted, 60.0)), now
        for route in world.router._routes.values():
            for backend in route.backends:
                count = round(REQUESTS * span * backend.weight / 100)
                errors = round(count * FAILING) if count and world.bad(backend.name) else 0
                world.counters.record(backend.name, count, errors)
        return world.counters.sample()


@dataclass
class Sent:
    """A delivery or command that somebody sends until it is acknowledged."""

    name: str
    path: str
    body: bytes
    given: float = -1e18


class People:
    """Who pushes, sends and commands."""

    def __init__(self, world, models, wide):
        self.world, self.models = world, [f"m{n}" for n in range(models)]
        self.others = beside.Others(self) if wide else None
        self.waiting, self.told, self.numbers = [], [], 0
        self.busy = False
        self._next = world.clock()
        self._rested = []  # how often bodies had when something was begun last

    def begin(self):
        """The first commit: all models."""
        files = {}
        for name in self.models:
            files |= {
                f"{name}/segue.yaml": MODEL.format(name=name).encode(),
                f"{name}/requirements.lock": b"",
                f"{name}/evaluate.py": b"",
                f"{name}/serve.py": b"0",
            }
        if self.others is not None:
            files |= beside.files()
        commit = self.world.git.commit(files)
        for name in (*self.models, *([beside.TAKEN] if self.others is not None else [])):
            self._pushed(commit, name, b"0")
        return commit

    def push(self, model=None, *, bad=False, told=True):
        """A new version of one model; its commit."""
        dice, self.numbers = self.world.dice, self.numbers + 1
        model = model or dice.choice(self.models)
        text = f"{'bad ' if bad else ''}{self.numbers}".encode()
        before = self.world.git._refs[MAIN]
        commit = self.world.git.commit({f"{model}/serve.py": text})
        self._pushed(commit, model, text)
        if told:
            self._send_push(before, commit)
        else:
            self.world.seen.dropped += 1
        return commit

    def _send_push(self, before, after):
        change = {"ref": MAIN, "before": before, "after": after}
        body = json.dumps({"pusher": "ann", "changes": [change]}).encode()
        self._send(Sent(f"push-{self.numbers}", "/hooks/git", body))

    def push_bad(self, model):
        """A version of it whose answers are often errors."""
        return self.push(model, bad=True)

    def push_all(self):
        """A new version of every model in one commit, as where what they share has changed."""
        self.numbers += 1
        before, text = self.world.git._refs[MAIN], str(self.numbers).encode()
        commit = self.world.git.commit({f"{name}/serve.py": text for name in self.models})
        for name in self.models:
            self._pushed(commit, name, text)
        self._send_push(before, commit)

    def _pushed(self, commit, model, text):
        seen = self.world.seen
        seen.pushes.append((commit, model))
        seen.tips[model] = text
        for name in (*self.models, beside.TAKEN):
            seen.contents[commit, name] = self.world.git.file(commit, f"{name}/serve.py")

    def say(self, verb, subject, digest=None):
        """A command through the API; its id."""
        self.numbers += 1
        sent = Sent(f"said-{self.numbers}", "/api/v1/commands", b"")
        told = {"verb": verb, "subject": subject} | ({"digest": digest} if digest else {})
        sent.body = json.dumps(told).encode()
        self._send(sent)
        self.world.seen.commands.add(sent.name)
        return sent.name

    def _send(self, sent):
        self.waiting.append(sent)
        self.told.append(sent)

    def send(self, name, path, body):
        """What is no push and no command, until it is acknowledged."""
        self._send(Sent(name, path, body))

    def fill(self):
        """Give everybody something to do, if they have not enough."""
        if self._behind():
            return
        self._rested = self.world.clock.rests()
        self.push()
        self.say("abort", "rel-9999")
        if self.others is not None:
            self.others.act()

    def go_on(self, busy):
        """Push and command by themselves from now on, or no more."""
        self.busy = busy
        self._next = self.world.clock()

    def turn(self):
        """Whatever somebody feels like at this moment."""
        dice, now = self.world.dice, self.world.clock()
        if self.others is not None:
            self.others.approve()  # also at the end: what waits for people ends by them
        if not self.busy or self._behind():
            return
        if self.others is not None:
            self.others.turn()
        if now < self._next and self._next - now < 60:
            return
        self._next, self._rested = now + dice.uniform(0.0, 8.0), self.world.clock.rests()
        roll = dice.random()
        if roll < 0.7:
            self.push(bad=dice.random() < 0.2, told=dice.random() < 0.7)
        elif roll < 0.9:
            verb = dice.choice(("abort", "retry", "promote", "rollback"))
            release = f"rel-{dice.randint(1, max(1, self.numbers))}"
            self.say(verb, f"{dice.choice(self.models)}/production" if verb == "rollback" else release)
        elif self.told:
            self.waiting.append(dice.choice(self.told))  # an old one, once more

    def _behind(self):
        """Whether those who work have had no rest since: what comes faster than a busy machine does it would
        pile up without end."""
        return any(a == b for a, b in zip(self._rested, self.world.clock.rests(), strict=False))

    def delivery(self):
        """The next request for intake, signed; None while there is none."""
        now = self.world.clock()
        for sent in self.waiting:
            if not 0 <= now - sent.given < SENT_AGAIN:
                sent.given = now
                return sent.name, sent.path, self._headers(sent, now), sent.body
        return None

    def _headers(self, sent, now):
        if sent.path == "/hooks/forge":
            return beside.signed(sent)
        if sent.path != "/hooks/git":
            return {"Authorization": "Bearer ann", "Idempotency-Key": sent.name}
        stamp = f"{now:.0f}"
        signed = f"{sent.name}.{stamp}.".encode() + sent.body
        return {
            "webhook-id": sent.name,
            "webhook-timestamp": stamp,
            "webhook-signature": signing.sign(SECRET, signed),
        }

    def acknowledged(self, name, row, body):
        """Intake said 202."""
        seen = self.world.seen
        known = seen.acknowledged.setdefault(name, (row, body))
        if known[0] != row:
            seen.refused.append(f"{name} was stored as {known[0]} and as {row}")
        self.waiting = [sent for sent in self.waiting if sent.name != name]

    def refused(self, name, status):
        """Intake said something else. What was signed long before it came, as the clock jumped on the way, is
        not taken, and signed anew the next time."""
        jumped = any(
            sent.name == name and abs(self.world.clock() - sent.given) > bare_hook.WINDOW
            for sent in self.waiting
        )
        if status != 503 and not (status == 401 and jumped):
            self.world.seen.refused.append(f"{name} was answered {status}")


# --- the process, and how it is reached -------------------------------------------------------


def begin(address, clock, seed, models, trouble, *, wide=False, mutate=None):
    """Fork the world; its process id. It ends with who forked it. `mutate` runs in it first."""
    listener = Listener(str(address), family="AF_UNIX", backlog=64)
    pid = os.fork()
    if pid:
        listener._listener._unlink.cancel()  # the address is the child's from now on
        listener._listener._socket.close()
        return pid
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if mutate is not None:
            mutate()
        world, parent = World(clock, seed, models, trouble, wide), os.getppid()
        threading.Thread(target=_turns, args=(world, parent), daemon=True).start()
        while True:
            threading.Thread(target=_serve, args=(world, listener.accept()), daemon=True).start()
    finally:
        os._exit(70)


def _turns(world, parent):
    try:
        while os.getppid() == parent:
            with world._lock:
                world.people.turn()
            time.sleep(TURN)
            world.clock.turn()
    except BaseException:  # noqa: BLE001  time would stand still for whoever waits, and nobody would say why
        traceback.print_exc()
    os._exit(70)


def _serve(world, connection):
    while True:
        try:
            pid, name, method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("is", world.call(pid, name, method, arguments))
        except Retry as reason:
            answer = ("retry", (str(reason), reason.after))
        except Refused as reason:
            answer = ("refused", str(reason))
        except Exception as error:  # noqa: BLE001  told where it was asked
            answer = ("error", f"{type(error).__name__}: {error}")
        try:
            connection.send(answer)
        except OSError:
            return


class Far:
    """An adapter of the world, from any process: each has a connection of its own."""

    def __init__(self, address, name):
        self._address, self._name = str(address), name

    def __getattr__(self, method):
        def ask(*arguments):
            connection = _connection(self._address)
            connection.send((os.getpid(), self._name, method, arguments))
            kind, value = connection.recv()
            match kind:
                case "is":
                    return value
                case "retry":
                    raise Retry(*value)
                case "refused":
                    raise Refused(value)
            raise PortError(value)

        return ask


_connections = {}


def _connection(address):
    key = (os.getpid(), threading.get_ident(), address)
    if key not in _connections:
        for known in [one for one in _connections if one[0] != os.getpid()]:
            del _connections[known]  # its owner's: closed by it, not here
        _connections[key] = Client(address, family="AF_UNIX")
    return _connections[key]
