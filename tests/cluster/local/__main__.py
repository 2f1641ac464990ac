"""The cluster for tests.

run COMMAND ...   up, the command, down, whatever happens; on another cluster if SEGUE_TEST_KUBECONFIG is set
up                install what is missing, build what is not built, start; prints what tests need to know
down              end it and leave nothing, also after a crash
status            what of it is on this machine
stop COMPONENT    end one of its processes, such as kube-apiserver or etcd
start COMPONENT   start it again
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.cluster.local import building, cluster, node, packages, processes
from tests.cluster.local.place import Place

T = TypeVar("T")


def main() -> None:
    """Parse, and do it."""
    given = _parser().parse_args()
    home = _home()
    place = Place(given.name, given.number, home / "clusters" / given.name, home / "programs")
    match given.command:
        case "run":
            sys.exit(_run(place, given))
        case "up":
            for name, value in _up(place, given).items():
                print(f"export {name}={value}")
        case "down":
            cluster.down(place)
        case "status":
            print(json.dumps(cluster.left(place), indent=1))
        case "stop":
            processes.stop(place, *given.words)
        case "start":
            processes.again(place, *given.words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="test", help="two clusters at once have two names ...")
    parser.add_argument("--number", type=int, default=0, help="... and two numbers, for their addresses")
    parser.add_argument("--kubernetes", help=f"another version than {building.default_version()}")
    runtime = "a containerd that mounts images, built here, and not the distribution's"
    parser.add_argument("--containerd", action="store_true", help=runtime)
    parser.add_argument("command", choices=("run", "up", "down", "status", "stop", "start"))
    parser.add_argument("words", nargs=argparse.REMAINDER)
    return parser


def _run(place: Place, given: argparse.Namespace) -> int:
    """The command's exit code."""
    command = given.words
    if os.environ.get("SEGUE_TEST_KUBECONFIG"):
        return subprocess.run(command, check=False).returncode
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        known = _up(place, given)
        return _timed(
            "tests", lambda: subprocess.run(command, check=False, env={**os.environ, **known})
        ).returncode
    finally:
        _timed("end", lambda: cluster.down(place))


def _up(place: Place, given: argparse.Namespace) -> dict[str, str]:
    """Start it; the environment for tests."""
    _timed("packages", packages.install)
    programs = _timed("build", lambda: building.programs(_home(), given.kubernetes))
    if given.containerd:
        runtime = _timed("containerd", lambda: building.containerd(_home()))
        os.environ["PATH"] = f"{runtime}:{os.environ['PATH']}"  # its shim and ctr are found there, too
    place = replace(place, programs=programs)
    cluster.up(place, building.gateway_api())
    return {
        "SEGUE_TEST_KUBECONFIG": str(place.kubeconfig),
        "SEGUE_TEST_PROGRAMS": str(programs),
        "SEGUE_TEST_DEVICE_PLUGINS": str(node.device_plugins(place)),
        "SEGUE_TEST_STOPPABLE": f"{place.name}:{place.number}",
        "PATH": f"{programs}:{os.environ['PATH']}",
    }


def _timed(name: str, work: Callable[[], T]) -> T:
    begun = time.monotonic()
    done = work()
    print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
    return done


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "segue-cluster"


if __name__ == "__main__":
    main()
