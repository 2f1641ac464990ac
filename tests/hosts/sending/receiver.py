"""A receiver of webhooks that verifies with the library of Standard Webhooks; prints a line for each that came.

Started as: receiver.py SECRET. The first line is its port. It answers 503 to the first that comes, 204 to what is
verified, 401 to everything else.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = sys.argv[1]
CAME = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            told, status = Webhook(SECRET).verify(body, headers), 204
        except WebhookVerificationError:
            told, status = None, 401
        status = status if CAME else 503
        CAME.append(status)
        print(json.dumps([status, headers["webhook-id"], told]), flush=True)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *words):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
