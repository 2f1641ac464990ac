"""One trial as a process: reads it from its input, writes what came of it, and ends. See `trials`."""

import json
import os
import resource
import sys

from service.rehearsing import trials

LESS = 10  # of priority than those who serve
MEMORY = 4 << 30  # bytes of address space: strangers' policies are tried, too
_GRACE = 2  # seconds between SIGXCPU, by which a trial that takes too long is known, and SIGKILL


def main() -> None:
    """Play the trial that comes in; the first argument is how many seconds of a processor it may take."""
    os.nice(LESS)
    seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + _GRACE))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    trial = trials.TRIAL.load(json.load(sys.stdin))
    json.dump(trials.TRIED.dump(trials.play(trial)), sys.stdout)


if __name__ == "__main__":
    main()
