"""Applications under waitress, as the real processes serve them, in a thread of the test."""

import threading
from contextlib import suppress

from service.machine.serving import server_of


class Served:
    """Serves the application on a port of its own until `end`. Each has its own sockets to look after."""

    def __init__(self, app, *, forwarded=False, **options):
        self._server = server_of(app, "127.0.0.1", 0, forwarded=forwarded, map={}, **options)
        self.port = self._server.effective_port
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def end(self):
        # Closed by its own thread, which else would miss its socket. That may be awake already, and done
        # before it is woken.
        with suppress(OSError):
            self._server.trigger.pull_trigger(self._server.close)
        self._thread.join()
