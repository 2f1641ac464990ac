"""What is read from a data plane itself: an interval in which a part of a backend's counts went is no number."""

import math
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from service.adapters import exposition
from service.adapters.exposition import Strange
from service.adapters.kubernetes import metrics
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.ports.connections import Cluster
from service.ports.metrics import NoData

HEAD = "httproute-shop-fraud.production-segue-gw-infra-web-ep-web"
HASH = "06ef80b4f4e570b02c3b"


def text(counts, start="1.5e+09"):
    """Counts by rule, Service and index, as Traefik writes them."""
    lines = [f"process_start_time_seconds {start}"]
    for (rule, service, index), count in counts.items():
        name = f"{HEAD}-{rule}-{HASH}-svc-shop-{service}-{index}@kubernetesgateway"
        labels = f'code="200",method="GET",protocol="http",service="{name}"'
        lines.append(f"traefik_service_requests_total{{{labels}}} {count}")
        lines.append(f'traefik_service_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count}')
    return "\n".join(lines) + "\n"


@pytest.fixture
def plane():
    """Answers with what is in its `body`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            said = self.server.body.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *words):
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def read(plane):
    metrics = ClusterMetrics(Cluster("test", metrics=f"http://127.0.0.1:{plane.server_port}/metrics"))

    def requests(body):
        plane.body = body
        return {name: one.requests for name, one in metrics.sample().backends}

    return requests


SPLIT, KEPT, OTHER = (0, "fraud2", 1), (5, "fraud2", 1), (0, "fraud", 0)


def test_a_rule_that_is_gone_makes_its_backend_no_number_even_if_the_others_gained_more(read):
    assert read(text({OTHER: 50, SPLIT: 10, KEPT: 5})) == {"fraud.shop": 50, "fraud2.shop": 15}
    after = read(text({OTHER: 60, SPLIT: 40}))
    assert after["fraud.shop"] == 60
    assert math.isnan(after["fraud2.shop"])
    assert read(text({OTHER: 60, SPLIT: 41})) == {"fraud.shop": 60, "fraud2.shop": 41}


def test_a_page_is_read_as_it_comes_however_large(read):
    other = 'go_gc_pauses_bucket{le="0.0001"} 17\n' * (1 << 20)
    assert len(other) > metrics.LONGEST
    assert read(other + text({OTHER: 50, SPLIT: 10})) == {"fraud.shop": 50, "fraud2.shop": 10}


def test_what_keeps_coming_at_the_pace_may_take_longer():
    pieces, late = [b"asked"] * 3, time.monotonic() - 1
    assert list(metrics._within(pieces, late, 100, pace=0.5)) == pieces
    with pytest.raises(Strange, match="no end"):
        list(metrics._within(pieces, late, 100, pace=1e9))


def test_a_page_that_has_no_end_is_no_data(plane, monkeypatch):
    monkeypatch.setattr(exposition, "LONGEST", 100)
    counters = ClusterMetrics(Cluster("test", metrics=f"http://127.0.0.1:{plane.server_port}/metrics"))
    plane.body = text({OTHER: 50, SPLIT: 10})
    assert isinstance(counters.sample(), NoData)


def test_a_page_that_ends_within_a_line_is_no_data(plane):
    counters = ClusterMetrics(Cluster("test", metrics=f"http://127.0.0.1:{plane.server_port}/metrics"))
    plane.body = text({OTHER: 50, SPLIT: 10})[:-3]
    assert isinstance(counters.sample(), NoData)


def test_a_series_that_fell_is_one_that_began_anew(read):
    read(text({OTHER: 50, SPLIT: 10, KEPT: 5}))
    assert math.isnan(read(text({OTHER: 50, SPLIT: 20, KEPT: 1}))["fraud2.shop"])


def test_a_process_that_started_again_says_so_itself(read):
    read(text({OTHER: 50, SPLIT: 10}))
    assert read(text({OTHER: 5}, start="1.6e+09")) == {"fraud.shop": 5}


def test_a_backend_that_is_gone_whole_is_not_brought_back(read):
    read(text({OTHER: 50, SPLIT: 10}))
    assert read(text({OTHER: 50})) == {"fraud.shop": 50}
