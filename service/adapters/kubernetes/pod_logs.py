"""Reads on in what the pods of one Job print: pure but for the asking, which is given.

The kubelet tells each line's time to the nanosecond, and can be asked for lines since a second: what was
read of that second is left out again. A mark names the pod, its container and the time of the last line.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (read log)
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from service.ports.printing import Printed

MOST = 4 << 20  # bytes that are asked for at once; more than any container prints in a second and is read

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")

Ask = Callable[[str, str, str], str]  # pod, container and time: lines, each behind its time


def read_on(pods: Sequence[str], containers: Sequence[str], mark: str, ask: Ask) -> Printed:
    """What these pods printed behind the mark; the oldest is first, and its containers in their order."""
    pod, container, since = mark.split(" ") if mark else ("", "", "")
    places = [(one, other) for one in pods for other in containers]
    if (pod, container) in places:
        places = places[places.index((pod, container)) :]
    text = ""
    for place in places:
        known = since if place == (pod, container) else ""
        lines, last = _behind(ask(*place, known), known)
        if last:
            text, mark = text + lines, " ".join((*place, last))
    return Printed(text, mark)


def _behind(told: str, since: str) -> tuple[str, str]:
    """The whole lines that are later than that, without their times, and the time of the last one."""
    known, lines, last = _moment(since), [], ""
    for line in told.split("\n")[:-1]:  # the rest is no whole line yet
        time, _, text = line.partition(" ")
        if _moment(time) > known:
            lines.append(f"{text}\n")
            last = time
    return "".join(lines), last


def _moment(time: str) -> tuple[float, str]:
    """Seconds and nanoseconds of a time as nodes write it, in the zone of theirs; before all for no time."""
    found = _TIME.fullmatch(time)
    if found is None:
        return 0.0, ""
    seconds, fraction, zone = found.groups()
    return datetime.fromisoformat(f"{seconds}{zone}").timestamp(), f"{fraction or '':0<9}"
