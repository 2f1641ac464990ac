"""A site to look at: the whole service on memory adapters, served for real, in an hour of its life."""

import threading
import time

from waitress.server import create_server

from service.adapters.memory.git import MemoryGit
from service.machine.serving import OPTIONS
from service.ports.connections import Source
from tests.running import free_port
from tests.scenarios.conftest import CHURN, World

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=alert(1)>"


class Site:
    """A World behind an address; `world` makes another kind of it."""

    def __init__(self, folder, world=World):
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.world = world(folder, web_port=port)
        self.world.clock.now = time.time() - 3600
        options = {**OPTIONS, "threads": 16, "channel_request_lookahead": 1}
        self._server = create_server(self.world.web.application, host="127.0.0.1", port=port, **options)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def close(self):
        self.world.stop.set()
        self._server.close()
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)
        self._thread.join(5)
        self.world.close()

    def link(self, who="bob"):
        """A one-time link, as `segue open` prints it."""
        headers = {"Authorization": f"Bearer {self.world.people[who]}"}
        return self.world.web.post("/api/v1/links", headers=headers).json["link"].removeprefix(self.address)

    # --- what happened there -----------------------------------------------------------------

    def busy(self, reason=HOSTILE):
        """One promoted, one rolled back, one on its way, one that waits for people, one delivery given up."""
        world = self.world
        world.serve(60, {})
        world.live()
        self.next("2", until_promoted=True)
        world.serve(60, {world.target().stable.backend: 0.001})
        bad = self.next("3")
        world.serve(60, {bad.backend: 0.12})
        world.play(600, until=bad.name)
        world.hook("git", "no object")
        self.waiting()
        world.serve(60, {})
        moving = self.next("4")
        while world.release(moving.name).observed < 30:
            world.play(1)
        world.say("pause", moving.name, reason=reason)
        world.say("resume", moving.name)
        world.play(2)
        world.clock.now = max(world.clock.now, time.time())
        return self

    def next(self, content, *, until_promoted=False):
        """A further push of the model; its release, which takes traffic."""
        self.world.push({"serve.py": content})
        self.world.settle()
        self.world.play(4)
        release = self.world.releases()[-1]
        if until_promoted:
            self.world.play(900, until=release.name)
        return self.world.release(release.name)

    def waiting(self):
        """A release of another model, which waits for an approval."""
        world = self.world
        world.connect(Source("churn", "bare", "memory"), MemoryGit())
        world.push({"segue.yaml": CHURN}, source="churn")
        world.settle()
        world.registry.register("churn", {"model.pkl": b"1"}, author="cara")
        world.move_alias("churn", "1")
        world.settle()
        return next(one for one in world.releases() if one.model == "churn")
