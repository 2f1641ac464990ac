"""The cluster for tests, by hand.

up       install what is missing, build what is not built, start; prints what tests need to know
down     end it and leave nothing; also after a crash
status   what of it is on this machine
stop, start COMPONENT   one of its processes, such as kube-apiserver or etcd
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.cluster.local import building, cluster, packages, processes
from tests.cluster.local.place import Place

T = TypeVar("T")


def main() -> None:
    """Parse, and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("up", "down", "status", "stop", "start"))
    parser.add_argument("component", nargs="?")
    parser.add_argument("--name", default="test", help="two clusters at once have two names ...")
    parser.add_argument("--number", type=int, default=0, help="... and two numbers, for their addresses")
    parser.add_argument("--kubernetes", help=f"another version than {building.default_version()}")
    given = parser.parse_args()
    place = Place(given.name, given.number, _home() / "clusters" / given.name, _home() / "programs")
    match given.command:
        case "up":
            _up(place, given.kubernetes)
        case "down":
            cluster.down(place)
        case "status":
            print(json.dumps(cluster.left(place), indent=1))
        case "stop":
            processes.stop(place, given.component)
        case "start":
            processes.again(place, given.component)


def _up(place: Place, version: str | None) -> None:
    _timed("packages", packages.install)
    programs = _timed("build", lambda: building.programs(_home(), version))
    place = Place(place.name, place.number, place.folder, programs)
    cluster.up(place, building.gateway_api())
    print(f"export SEGUE_TEST_KUBECONFIG={place.kubeconfig}")
    print(f"export PATH={programs}:$PATH")


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
