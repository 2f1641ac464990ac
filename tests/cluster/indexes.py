"""Package indexes for pods: folders of wheels, for everybody or for who has the login."""

import base64
import functools
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

LOGIN = "robot:index-pass-word"


class _Open(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class _Guarded(_Open):
    def do_GET(self):
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(LOGIN.encode()).decode():
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.end_headers()


@contextmanager
def served(folder, host, handler=_Open):
    """A folder as a package index; its `host:port`."""
    with ThreadingHTTPServer((host, 0), functools.partial(handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{host}:{server.server_address[1]}"
        server.shutdown()


def guarded(folder, host):
    """The same, with LOGIN alone."""
    return served(folder, host, _Guarded)
