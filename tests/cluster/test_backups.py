"""What an installed Segue knows outlives upgrades with old values, and its loss, as the docs say it is put back."""

import re
import subprocess
from pathlib import Path

import pytest
import requests
import yaml

from tests.cluster.helm import FORMER
from tests.cluster.installed import PLACE, ROOT, TOKEN, OnePod, reached
from tests.cluster.objects import secret
from tests.cluster.test_chart import obeyed
from tests.conftest import postgres_programs
from tests.running import wait_until

pytestmark = pytest.mark.whole
PAGE = Path(__file__).parents[2] / "docs/how-to/install-on-kubernetes.md"


@pytest.mark.parametrize("values", FORMER, ids=lambda path: path.stem)
def test_an_upgrade_from_former_values_keeps_what_is_known_and_a_lost_volume_is_put_back_from_a_backup(
    kubectl, release, volume, segue_image, tmp_path, values
):
    where = release.namespace
    roots = [{"name": "SEGUE_GIT_ROOTS", "value": ROOT}]
    former = yaml.safe_load(values.read_text())
    persistence = {**former["persistence"], **volume}
    release.install({**former, "image": segue_image, "persistence": persistence, "env": roots})
    before = OnePod(kubectl, where, tmp_path / "work")
    before.inside("git", "init", "--quiet", "--bare", PLACE)
    before.say("connect", "git", PLACE)
    assert sources(before) == ["models"]
    release.upgrade({"podAnnotations": {"note": "two"}})
    assert sources(OnePod(kubectl, where, tmp_path / "work")) == ["models"]

    before.say("backup", "/tmp/segue.tar.gz")
    kept = str(tmp_path / "segue.tar.gz")
    kubectl.run("cp", "-n", where, "-c", "segue", "segue-0:/tmp/segue.tar.gz", kept)
    kubectl.run("scale", "statefulset/segue", "-n", where, "--replicas=0")
    wait_until(lambda: not kubectl.get("pods", "-n", where)["items"], seconds=120)
    kubectl.run("apply", "-n", where, "-f", "-", given=helper("{repository}@{digest}".format(**segue_image)))
    kubectl.run("wait", "--for=condition=Ready", "pod/segue-restore", "-n", where, "--timeout=120s")
    there = ("exec", "-n", where, "segue-restore", "--")
    kubectl.run(*there, "sh", "-c", "rm -rf /var/lib/segue/*")  # the volume is a new one
    kubectl.run("cp", "-n", where, kept, "segue-restore:/tmp/segue.tar.gz")
    kubectl.run(*there, "segue", "restore", "/tmp/segue.tar.gz")
    kubectl.run("delete", "pod", "segue-restore", "-n", where, "--grace-period=1")
    kubectl.run("scale", "statefulset/segue", "-n", where, "--replicas=1")
    kubectl.run("rollout", "status", "statefulset/segue", "-n", where, "--timeout=240s")
    after = OnePod(kubectl, where, tmp_path / "work")
    assert after.client.token == before.client.token
    assert sources(after) == ["models"]


def sources(installation):
    """The names of those that it is connected with."""
    return [one["name"] for one in installation.client.sources().page().rows]


def helper(image):
    """The pod that the docs give people, with the image in it."""
    found = re.search(r"```yml restore\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"{PAGE} shows no pod to restore with"
    return found[1].replace("registry.example/segue@sha256:...", image)


def test_a_database_of_processes_apart_is_dumped_and_put_back_into_another(
    kubectl, release, postgres, outside, database, segue_image, tmp_path
):
    where = release.namespace
    kubectl.apply(
        secret(where, "files", **{"operator-token": TOKEN}), secret(where, "database", url=database)
    )
    once = {"intake": 1, "web": 1, "worker-urgent": 1}
    files = {"secrets": {"existingSecret": "files"}, "database": {"existingSecret": "database"}}
    release.install({"image": segue_image, "split": True, "replicas": once, **files})
    for name, port in (("segue-intake", 8470), ("segue-web", 8471)):
        reached(kubectl, where, name, port)
    delivery, answer = obeyed(kubectl, where)

    dump, programs = tmp_path / "segue.dump", postgres_programs()
    run(programs / "pg_dump", "--format=custom", f"--file={dump}", database)
    name = postgres.new_database().rpartition("@/")[2].partition("?")[0]
    other = f"{database.rpartition('/')[0]}/{name}"
    run(programs / "pg_restore", "--no-owner", f"--dbname={other}", dump)
    kubectl.apply(secret(where, "restored", url=other))
    release.upgrade({"database": {"existingSecret": "restored"}})
    web = reached(kubectl, where, "segue-web", 8471)
    login = {"Authorization": f"Bearer {TOKEN}"}
    told = requests.get(f"http://{web}:8471/api/v1/commands/{delivery}", headers=login, timeout=10).json()
    assert told["answer"]["text"] == answer


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
