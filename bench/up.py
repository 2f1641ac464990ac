"""How long `segue up` takes, and what everything embedded takes of the machine while nothing happens.

Run from the repository's root: `python bench/up.py [--json]`; about two minutes. Memory is the sum of PSS
over all processes of the installation, shims, router and broker too: pages that several share count once.
"""

import os
import sys
import time
from pathlib import Path

import psutil

from bench.installed import Installation, installation
from bench.report import Row, report

READY, MEGABYTES, PERCENT = 8.0, 700.0, 1.5
ROUNDS, SETTLE, IDLE = 3, 3.0, 20.0
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Both kinds of broker, in turn."""
    rows: list[Row] = []
    notes: list[str] = []
    for broker in ("embedded", "none"):
        more, parts = measured(broker)
        rows += more
        notes += parts
    return report("segue up", rows, notes)


def measured(broker: str) -> tuple[list[Row], list[str]]:
    """The rows of one kind of broker, and what each process took in the last round."""
    first, again, memory, cpu = [], [], [], []
    notes: list[str] = []
    for _ in range(ROUNDS):
        with installation(broker) as place:
            place.start()
            first.append(place.seconds)
            place.stop()
            place.start()
            again.append(place.seconds)
            time.sleep(SETTLE)
            megabytes, percent, notes = idle(place)
            memory.append(megabytes)
            cpu.append(percent)
    name = f"broker {broker}"
    rows = [
        Row(f"{name}: ready, first start", tuple(first), READY, "s"),
        Row(f"{name}: ready, router running", tuple(again), READY, "s"),
        Row(f"{name}: PSS, idle", tuple(memory), MEGABYTES, "MB"),
        Row(f"{name}: CPU, idle", tuple(cpu), PERCENT, "% of one core"),
    ]
    return rows, [f"broker {broker}:", *notes]


def idle(place: Installation) -> tuple[float, float, list[str]]:
    """Megabytes, percent of one core over `IDLE` seconds, and both for each process."""
    members = processes(place)
    before = {one.pid: ticks(one.pid) for one in members}
    began = time.monotonic()
    time.sleep(IDLE)
    spent = time.monotonic() - began
    percents = {pid: (ticks(pid) - was) / TICKS / spent * 100 for pid, was in before.items()}
    sizes = {one.pid: pss(one.pid) for one in members}
    notes = [f"  {named(one):<28}{sizes[one.pid]:6.1f} MB {percents[one.pid]:5.2f} %" for one in members]
    return sum(sizes.values()), sum(percents.values()), notes


def processes(place: Installation) -> list[psutil.Process]:
    """Everything of this installation: below `segue up`, and below the shims of its folder."""
    assert place.process is not None
    found = {one.pid: one for one in family(psutil.Process(place.process.pid))}
    home = str(place.settings.home)
    for one in psutil.process_iter(["cmdline"]):
        words = " ".join(one.info["cmdline"] or [])
        if "shim_main" in words and home in words:
            found |= {member.pid: member for member in family(one)}
    return list(found.values())


def family(one: psutil.Process) -> list[psutil.Process]:
    """A process and all below it."""
    return [one, *one.children(recursive=True)]


def named(one: psutil.Process) -> str:
    """What a process is, in a word or two."""
    words = one.cmdline()
    if "service.processes" in words:
        return words[-1]
    if any("shim_main" in word for word in words):
        return f"shim of {Path(words[-2]).name}"
    return "segue up" if "up" in words else one.name()


def pss(pid: int) -> float:
    """Megabytes (10^6 bytes) of a process, shared pages by share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def ticks(pid: int) -> int:
    """Processor time of a process so far, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    sys.exit(main())
