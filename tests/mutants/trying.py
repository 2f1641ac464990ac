"""Runs tests against mutants, each in a process of its own that is forked once all tests are collected.

A mutant is made by giving its function another code object, so that whoever holds the function has the mutant.
"""

import cProfile
import functools
import importlib
import inspect
import json
import math
import os
import resource
import signal
import tempfile
import time
import types
from dataclasses import dataclass, field

import pytest
from _pytest.runner import runtestprotocol

from tests.mutants.targets import GROUPS, ROOT

SLOW = 0.7  # CPU seconds, and a test is left out: those that play many rollouts take longer
CPU_SECONDS = 3.0  # of tests, for one mutant; the quickest come first
TIMES = 4.0  # as long as its tests took without it, and a mutant is taken for one that never ends
ENDLESS = "it never came to an end"
UNMADE = "it could not be made"
EXAMPLES = 25  # of a property that does not say how many
FILES = {str(ROOT / file) for files in GROUPS.values() for file in files}


@dataclass(eq=False)
class Trial:
    """A plugin for pytest: what each test reaches is seen first, then each mutant is tried.

    `results` holds for each mutant [the test that killed it], [] for a survivor, or in words why there is neither:
    it never came to an end, or could not be made. None where the time was over before it was tried.
    """

    mutants: list
    workers: int
    say: object
    seconds: float = math.inf
    results: list = field(default_factory=list)

    def pytest_configure(self):
        """The same few examples each time; pytest wants to be the first to import Hypothesis."""
        from hypothesis import HealthCheck, settings  # noqa: PLC0415

        few = {"derandomize": True, "database": None, "deadline": None, "max_examples": EXAMPLES}
        settings.register_profile("mutants", suppress_health_check=list(HealthCheck), **few)
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session):
        if session.testsfailed:
            raise pytest.UsageError("tests cannot be collected")
        looked = _looked(session.items, self.workers)
        broken = [one for one, _, _, wrong in looked if wrong]
        if broken:
            raise pytest.UsageError(f"tests fail without any mutant: {broken[:3]}")
        self.say(
            f"{len(looked)} of {len(session.items)} tests, {sum(s for _, _, s, _ in looked):.0f} s of CPU"
        )
        near = _near(session.items, looked)
        todo, limits = [], []
        for mutant in self.mutants:
            chosen, seconds = _chosen(mutant, near)
            todo.append(functools.partial(_try, mutant, chosen))
            limits.append(TIMES * seconds + 5)
        self.results = in_children(todo, self.workers, limits, self.say, time.monotonic() + self.seconds)
        return True


def in_children(todo, workers, limits, say=lambda _: None, until=math.inf):
    """What each function answers (as JSON) in a forked child; ENDLESS for one that was killed for its CPU time, None
    where it was too late to begin."""
    answers, running, waiting = [None] * len(todo), {}, list(range(len(todo)))
    while running or (waiting and time.monotonic() < until):
        while waiting and len(running) < workers and time.monotonic() < until:
            number = waiting.pop(0)
            answer = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe might be too small for it
            child = os.fork()
            if child == 0:
                _be_a_child(todo[number], answer.fileno(), limits[number])
            running[child] = (number, answer)
        child, _ = os.waitpid(-1, 0)
        number, answer = running.pop(child)
        with answer:
            answer.seek(0)
            text = answer.read()
        answers[number] = json.loads(text) if text else ENDLESS
        say(number)
    return answers


def _be_a_child(function, writing, limit):
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
    resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        answer = json.dumps(function()).encode()
    except BaseException as error:  # noqa: BLE001 - a mutant may raise what it likes
        answer = json.dumps(f"{type(error).__name__}: {error}").encode()
    os.write(writing, answer)
    os._exit(0)


def _looked(items, workers):
    """Of each quick test its name, the functions that it reaches, its CPU seconds, and what is wrong with it."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    found = _look_at(list(files.values()), workers)
    # One that was stopped may leave pytest in a state in which the next one fails: that is looked at by itself.
    named = {item.nodeid: item for item in items}
    again = _look_at([[named[nodeid]] for nodeid, _, _, wrong in found if wrong == "fails"], workers)
    return [one for one in found if not one[3]] + [one for one in again if one[3] != "slow"]


def _look_at(files, workers):
    """Each list of tests in a process of its own."""
    todo = [(lambda some=some: [_look(item) for item in some]) for some in files]
    answers = in_children(todo, workers, [600.0] * len(todo))
    wrong = [one for one in answers if not isinstance(one, list)]
    if wrong:
        raise pytest.UsageError(f"tests cannot be looked at: {wrong[:3]}")
    return [one for some in answers for one in some]


def _near(items, looked):
    """For each function the tests that reach it, the quickest first, with their seconds."""
    named = {item.nodeid: item for item in items}
    near = {}
    for nodeid, functions, seconds, _ in sorted(looked, key=lambda one: one[2]):
        for file, name in functions:
            near.setdefault((file, name), []).append((named[nodeid], seconds))
    return near


class _TooSlow(BaseException):
    """Nothing that a test catches."""


def _look(item):
    profile = cProfile.Profile(subcalls=False, builtins=False)
    stopped = []
    item.runtest = functools.partial(_within, item.runtest, stopped)
    began = time.process_time()
    profile.enable()
    try:
        failed = _fails(item)
    except Exception:
        if not stopped:  # else a plugin met a test that was stopped amid its own work
            raise
        failed = True
    profile.disable()
    seconds = time.process_time() - began
    codes = (entry.code for entry in profile.getstats())
    functions = {
        (
            code.co_filename,
            code.co_qualname.partition(".<")[0],
        )  # an inner function is changed in its outer one
        for code in codes
        if isinstance(code, types.CodeType) and code.co_filename in FILES
    }
    return item.nodeid, sorted(functions), seconds, "slow" if stopped else "fails" if failed else ""


def _within(run, stopped):
    """The test itself, for no longer than a slow one takes; `stopped` is told if it would."""

    def stop(*_):
        stopped.append(True)
        raise _TooSlow

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SLOW)
    try:
        run()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _fails(item):
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _chosen(mutant, near):
    """As many tests as there is time for, and what they take."""
    chosen, spent = [], 0.0
    for item, seconds in near.get((str(ROOT / mutant["file"]), mutant["function"]), []):
        if spent + seconds > CPU_SECONDS:
            break
        chosen.append(item)
        spent += seconds
    return chosen, spent


def _try(mutant, chosen):
    """[the test that kills it], or [] where no test does."""
    try:
        put_in(mutant)
    except Exception:  # noqa: BLE001 - such as an argument whose default is none any more
        return UNMADE
    for item in chosen:
        if _fails(item):
            return [item.nodeid]
    return []


def put_in(mutant):
    """Change the function in this process."""
    module = importlib.import_module(mutant["file"].removesuffix(".py").replace("/", "."))
    owner, _, name = mutant["function"].rpartition(".")
    holder = getattr(module, owner) if owner else module
    function = vars(holder)[name]
    function = inspect.unwrap(getattr(function, "__func__", function))
    made = {}
    code = compile(
        "from __future__ import annotations\n" + mutant["source"], function.__code__.co_filename, "exec"
    )
    exec(code, vars(module), made)  # noqa: S102 - a mutant of our own function
    changed = made[name]
    function.__code__, function.__defaults__ = changed.__code__, changed.__defaults__
    function.__kwdefaults__ = changed.__kwdefaults__
