"""Counters by way of a real Prometheus: added up over the data plane's replicas, and none of it a rate."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from policies.place import Place
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.ports.metrics import NoData, Sample
from service.ports.traffic import Route
from tests.cluster.routing import Gateway
from tests.running import free_port, wait_until

TARGET = "fraud/production"
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
- {{job_name: traefik, static_configs: [{{targets: [{targets}]}}]}}
- {{job_name: models, static_configs: {others}}}
- {{job_name: itself, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}
"""


class Prometheus:
    def __init__(self, folder, targets, labelled=None):
        """It scrapes all of `targets` as one data plane, and each of `labelled` with labels of its own."""
        self.port = free_port()
        config = Path(folder, "prometheus.yml")
        others = [{"targets": [at], "labels": labels} for at, labels in (labelled or {}).items()]
        config.write_text(
            CONFIG.format(
                targets=", ".join(f'"{one}"' for one in targets), port=self.port, others=json.dumps(others)
            )
        )
        program = shutil.which("prometheus")
        assert program, "prometheus is not installed; install it with: apt install prometheus"
        self.arguments = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def __enter__(self):
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()


class Replica:
    """One more Traefik in front of the same Gateway, as a second replica has it: the same entry point."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.web, self.control = free_port(), free_port()

    def __enter__(self):
        own = (self.gateway.port, self.gateway.control, self.gateway.process)
        self.gateway.listen, self.gateway.control = f"127.0.0.2:{own[0]}", self.control
        self.gateway.start()
        self.process = self.gateway.process
        self.gateway.listen, self.gateway.control, self.gateway.process = None, own[1], own[2]
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        running.service("fraud-1", TARGET, "stable")
        yield running


@pytest.fixture
def world(gateway, tmp_path):
    """Two replicas of the data plane and a Prometheus that scrapes both."""
    router = GatewayRouter(gateway.ours, gateway.cluster, Place("test", gateway.namespace))
    router.set(Route(TARGET, 1, (gateway.backend("fraud-1", 100.0),)))
    addresses = [f"http://127.0.0.{n}:{gateway.port}/{TARGET}" for n in (1, 2)]
    with Replica(gateway) as replica:
        targets = [f"127.0.0.1:{gateway.control}", f"127.0.0.1:{replica.control}"]
        with Prometheus(tmp_path, targets) as prometheus:
            for address in addresses:
                wait_until(lambda where=address: requests.get(where, timeout=5).ok)
            url = f"prometheus+http://127.0.0.1:{prometheus.port}"
            yield ClusterMetrics(replace(gateway.cluster, metrics=url)), addresses, replica, prometheus


def counted(metrics, gateway):
    sample = metrics.sample()
    return dict(sample.backends).get(f"fraud-1.{gateway.namespace}") if isinstance(sample, Sample) else None


def settled(metrics, gateway):
    """The sample once nothing comes any more."""
    seen = []

    def still():
        seen.append(counted(metrics, gateway))
        return len(seen) > 60 and seen[-1] is not None and len(set(map(repr, seen[-60:]))) == 1

    wait_until(still, 60)
    return metrics.sample()


def test_the_requests_of_all_replicas_are_added_up(world, gateway):
    metrics, addresses, _, _ = world
    before = settled(metrics, gateway)
    for number, address in enumerate(addresses):
        for _ in range(10 + number):
            assert requests.get(address, timeout=5).ok
    name = f"fraud-1.{gateway.namespace}"
    wanted = dict(before.backends)[name].requests + 21
    wait_until(lambda: counted(metrics, gateway).requests == wanted)
    after = metrics.sample()
    assert after.started == before.started <= before.at < after.at
    assert dict(after.backends)[name].errors == 0
    assert dict(after.backends)[name].buckets[-1][1] == wanted


def test_a_replica_that_goes_is_told_as_a_new_beginning(world, gateway):
    """What is left is less than what was counted before, and must not be taken for a difference."""
    metrics, _, replica, _ = world
    before = settled(metrics, gateway)
    replica.process.kill()
    name = f"fraud-1.{gateway.namespace}"
    wait_until(lambda: counted(metrics, gateway).requests < dict(before.backends)[name].requests)
    after = metrics.sample()
    assert after.started > before.started


def test_a_prometheus_that_is_gone_has_no_data_and_a_reason(world, gateway):
    metrics, _, _, prometheus = world
    assert isinstance(settled(metrics, gateway), Sample)
    prometheus.process.terminate()
    prometheus.process.wait()
    answer = metrics.sample()
    assert isinstance(answer, NoData)
    assert "no answer" in answer.reason


def test_a_prometheus_that_does_not_scrape_the_data_plane_has_no_data(gateway, tmp_path):
    with Prometheus(tmp_path, []) as prometheus:
        metrics = ClusterMetrics(
            replace(gateway.cluster, metrics=f"prometheus+http://127.0.0.1:{prometheus.port}")
        )
        wait_until(lambda: "does it scrape" in getattr(metrics.sample(), "reason", ""))
