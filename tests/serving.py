"""Applications under waitress, as the real processes serve them, in a thread of the test."""

import threading
from contextlib import suppress

from service.machine.serving import server_of


class Served:
    """Serves the application on a port of its own, or this one, until `end`. Each has its own sockets to look after."""

    def __init__(self, app, *, port=0, forwarded=False, **options):
        self._sockets = {}
        self._server = server_of(app, "127.0.0.1", port, forwarded=forwarded, map=self._sockets, **options)
        self.port = self._server.effective_port
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def end(self):
        # Closed by its own thread, which else would miss its socket. That may be awake already, and done
        # before it is woken.
        with suppress(OSError):
            self._server.trigger.pull_trigger(self._close)
        self._thread.join()

    def _close(self):
        self._server.close()
        for kept in list(self._sockets.values()):  # connections whose clients keep them for later
            kept.handle_close()
