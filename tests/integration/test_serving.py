"""A server that is told to stop while it tells somebody what goes on."""

import logging
import threading
import time

import requests
from flask import Flask

from service.machine import serving
from tests.running import free_port, wait_until

WORDS = 0.3  # seconds that a stream takes to come to its end


def streaming(stop):
    app = Flask("streaming")

    @app.get("/")
    def follow():
        def told():
            yield "began\n"
            stop.wait(30)
            time.sleep(WORDS)
            yield "the last word\n"

        return app.response_class(told())

    app.add_url_rule("/healthz", view_func=lambda: "ok")
    return app


def answers(address):
    try:
        return requests.get(f"{address}healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_streams_say_their_last_word_before_the_server_ends_and_nothing_goes_wrong(caplog):
    stop, port = threading.Event(), free_port()
    server = threading.Thread(
        target=serving.serve,
        args=(streaming(stop), "127.0.0.1", port, stop, 1),
        kwargs={"streams": 2},
        daemon=True,
    )
    server.start()
    address = f"http://127.0.0.1:{port}/"
    wait_until(lambda: answers(address))
    with caplog.at_level(logging.ERROR), requests.get(address, stream=True, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"began"
        stop.set()
        assert list(lines) == [b"the last word"]
        server.join(20)
    assert not server.is_alive()
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []
