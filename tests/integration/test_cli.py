"""The command line as people use it: a process of its own, against a real web and intake."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from policies.release import Phase
from service.cli import connecting
from service.cli.main import PLACES, group
from service.identity import tokens
from service.machine import installation, serving
from service.machine.installation import TOKEN
from service.store.states import release_of, release_row
from tests.running import free_port, wait_until
from tests.scenarios.conftest import WINE, World

SEGUE = Path(sys.executable).with_name("segue")


def segue(home, *arguments, cwd=None, **environ):
    """Run it; its exit code and both outputs."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [SEGUE, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd or home,
        env={**kept, "HOME": str(home), "SEGUE_HOME": str(home / "segue"), **environ},
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("word", PLACES)
def test_every_command_explains_itself(word):
    shown = CliRunner().invoke(group, [word, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith("Usage:")
    assert len(shown.output.splitlines()) > 3


def test_init_writes_a_file_that_check_finds_fine(tmp_path):
    folder = tmp_path / "My Wine"
    assert segue(tmp_path, "init", str(folder))[0] == 0
    code, said, _ = segue(tmp_path, "check", cwd=tmp_path)
    assert (code, said) == (0, "My Wine/segue.yaml: fine (my-wine)\n")
    code, _, wrong = segue(tmp_path, "init", str(folder))
    assert code == 1
    assert "exists already" in wrong


def test_init_for_a_registered_model_is_fine_too(tmp_path):
    assert segue(tmp_path, "init", "--registered", "--approver", "ann", "churn")[0] == 0
    assert segue(tmp_path, "check", "churn")[0] == 0


def test_check_tells_all_mistakes_at_once_and_exits_with_1(tmp_path):
    (tmp_path / "segue.yaml").write_text(WINE.replace("risk", "rsik").replace("5s", "soon"))
    code, said, _ = segue(tmp_path, "check")
    assert code == 1
    assert "2 mistakes" in said
    code, said, _ = segue(tmp_path, "check", "--json")
    assert code == 1
    (shown,) = json.loads(said)
    assert [mistake["line"] for mistake in shown["mistakes"]] == [4, 6]


def test_check_without_a_file_says_how_to_write_one(tmp_path):
    code, _, wrong = segue(tmp_path, "check")
    assert code == 1
    assert "segue init" in wrong


@pytest.mark.parametrize("arguments", [["nothing"], ["show", "--nothing"], ["rollback"], ["start"]])
def test_wrong_usage_exits_with_2(tmp_path, arguments):
    code, _, wrong = segue(tmp_path, *arguments)
    assert code == 2
    assert "Usage:" in wrong


def test_the_doctor_in_an_empty_home_says_what_to_type(tmp_path):
    code, said, _ = segue(tmp_path, "doctor")
    assert code == 1
    assert "nothing was started here yet" in said
    assert "segue up" in said


def test_a_dockerfile_is_refused_by_name_until_an_installation_builds_them(tmp_path):
    file = "name: wine\nbuild: {dockerfile: Dockerfile}\nserve: {port: 8080}\n"
    (tmp_path / "segue.yaml").write_text(file)
    code, said, _ = segue(tmp_path, "check", str(tmp_path))
    assert code == 1
    assert "build.dockerfile" in said
    assert "SEGUE_DOCKERFILES" in said
    told = {
        "SEGUE_DOCKERFILES": "builds",
        "SEGUE_BUILDAH_IMAGE": "r.example/buildah@sha256:1",
        "SEGUE_BUILDER_IMAGE": "r.example/segue@sha256:1",
        "SEGUE_IMAGES": "https://r.example/models",
    }
    code, said, _ = segue(tmp_path, "check", str(tmp_path), **told)
    assert (code, said) == (0, f"{tmp_path}: fine (wine)\n")


def test_without_an_installation_every_question_says_how_to_start_one(tmp_path):
    for command in ("releases", "targets", "show"):
        code, _, wrong = segue(tmp_path, command)
        assert code == 1
        assert "segue up" in wrong


def test_a_setting_that_cannot_be_used_is_named(tmp_path):
    code, _, wrong = segue(tmp_path, "releases", SEGUE_WEB_PORT="many")
    assert code == 1
    assert "SEGUE_WEB_PORT is 'many'" in wrong


@pytest.fixture
def served(tmp_path):
    """A world whose web and intake listen, and whose work is done, until the test ends."""
    home = tmp_path / "segue"
    installation.make_folders(home)
    world = World(home)
    (home / "secrets" / TOKEN).write_text(tokens.make(world.store, "operator"))
    ports = {"intake_port": free_port(), "web_port": free_port(), "router_port": free_port()}
    installation.write_json(home / "run" / "ports.json", ports)
    stop = threading.Event()
    apps = ((world.intake.application, ports["intake_port"]), (world.web.application, ports["web_port"]))
    threads = [
        threading.Thread(target=serving.serve, args=(app, "127.0.0.1", port, stop, 4)) for app, port in apps
    ]
    threads.append(threading.Thread(target=_work, args=(world, stop)))
    yield world, threads
    stop.set()
    for thread in threads:
        thread.join(20)
    world.close()


def _work(world, stop):
    while not stop.wait(0.05):
        world.drain()
        world.clock.now += 0.1


def test_from_another_machine_the_addresses_and_a_token_are_enough(served, tmp_path):
    world, threads = served
    world.push({"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"})
    world.settle()
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    ports = installation.read_json(tmp_path / "segue" / "run" / "ports.json")
    away = tmp_path / "away"
    away.mkdir()
    there = {
        "SEGUE_INTAKE_URL": f"http://127.0.0.1:{ports['intake_port']}",
        "SEGUE_WEB_URL": f"http://127.0.0.1:{ports['web_port']}",
        "SEGUE_TOKEN": world.people["bob"],
        "http_proxy": "http://127.0.0.1:9",  # to which nothing on this machine goes
    }
    code, said, wrong = segue(away, "start", "wine", "--json", **there)
    assert code == 0, wrong
    assert json.loads(said)["release"] == "rel-2"
    assert not (away / "segue").exists()
    code, _, wrong = segue(away, "start", "wine", **{**there, "SEGUE_TOKEN": "segue_of_nobody"})
    assert code == 1
    assert "segue token NAME" in wrong


def test_a_proxy_leads_to_an_installation_elsewhere_and_netrc_names_nobody(served, tmp_path):
    world, threads = served
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    web = installation.read_json(tmp_path / "segue" / "run" / "ports.json")["web_port"]
    away = tmp_path / "away"
    away.mkdir()
    (away / ".netrc").write_text("machine segue.invalid login x password y\n")
    there = {"SEGUE_WEB_URL": "http://segue.invalid", "SEGUE_TOKEN": world.people["bob"]}
    code, said, wrong = segue(away, "releases", "--json", http_proxy=f"http://127.0.0.1:{web}", **there)
    assert (code, json.loads(said or "{}")) == (0, {"releases": []}), wrong
    code, _, wrong = segue(away, "releases", **there)
    assert code == 1
    assert "is the address right?" in wrong


def test_releases_are_shown_and_approved(served, tmp_path):
    world, threads = served
    world.push({"segue.yaml": WINE + "approvals: {count: 1}\n", "requirements.lock": ""}, author="ann")
    world.settle()
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    code, said, _ = segue(tmp_path, "releases", "--json")
    assert code == 0
    (release,) = json.loads(said)["releases"]
    assert (release["name"], release["phase"]) == ("rel-1", "approval")
    code, said, _ = segue(tmp_path, "show")
    assert code == 0
    assert f"segue approve rel-1 {release['plan'][:19]}" in said
    code, _, wrong = segue(tmp_path, "approve", "rel-1", SEGUE_TOKEN=world.people["ann"])
    assert code == 1
    assert "an author cannot approve" in wrong
    code, said, _ = segue(tmp_path, "approve", "rel-1", release["plan"][:19])
    assert (code, said) == (0, "rel-1 is approved, and begins when its turn comes\n")
    code, said, _ = segue(tmp_path, "retry", "rel-1", "--json")
    assert code == 1
    assert json.loads(said)["ok"] is False
    assert segue(tmp_path, "show", "rel-9")[0] == 1
    assert segue(tmp_path, "logs", "rel-1")[0] == 0
    code, said, _ = segue(tmp_path, "logs", "-f", "rel-1")
    assert (code, said) == (0, f"--- build ---\nbuilding wine-{release['version']}-1\n")
    assert segue(tmp_path, "logs", "-f", "--json")[0] == 2
    assert "wine/production" in segue(tmp_path, "targets")[1]
    code, _, wrong = segue(tmp_path, "targets", SEGUE_TOKEN="segue_wrong")
    assert code == 1
    assert "token" in wrong


def test_the_page_is_opened_by_a_link_that_works_once_for_whoever_asked(served, tmp_path):
    world, threads = served
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    code, said, _ = segue(tmp_path, "open", SEGUE_TOKEN=world.people["ann"])
    assert code == 0
    port = installation.read_json(tmp_path / "segue" / "run" / "ports.json")["web_port"]
    address, _, secret = said.strip().partition("#")
    way_in = address.replace(":8471/", f":{port}/").replace("links", "login/link")  # the world's own port
    data = {"code": secret}
    visitor = requests.Session()
    visitor.trust_env = False
    assert ">ann</a>" in visitor.post(way_in, data, timeout=20).text
    assert visitor.post(way_in, data, timeout=20).status_code == 401
    code, _, wrong = segue(tmp_path, "open", SEGUE_TOKEN="segue_unknown")
    assert code == 1
    assert "does not know this token" in wrong


def test_labels_are_added_from_a_file_and_shown(served, tmp_path):
    _, threads = served
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    table = ("--table", "warehouse.labels")
    assert "no label yet" in segue(tmp_path, "labels", "wine")[1]
    rows = "".join(f"r-{n},{1_769_868_180 + n},v1,{'true' if n < 3 else 'false'}\n" for n in range(2_500))
    (tmp_path / "late.csv").write_text("request,at,version,wrong\n" + rows)
    code, said, _ = segue(tmp_path, "add-labels", "wine", "late.csv", *table)
    assert code == 0
    assert "2500 labels are stored; see: segue labels wine" in said
    wait_until(lambda: len(json.loads(segue(tmp_path, "labels", "wine", "--json")[1])["labels"]) == 1)
    wait_until(lambda: "2500" in segue(tmp_path, "labels", "wine")[1])
    assert "3 (0.1 %)" in segue(tmp_path, "labels", "wine")[1]
    code, said, _ = segue(tmp_path, "add-labels", "wine", "late.csv", *table, "--json")
    assert (code, json.loads(said)["rows"]) == (0, 2500)
    (tmp_path / "bad.csv").write_text("request,at,version,wrong\nr-1,1769868180,v1,perhaps\n")
    code, _, wrong = segue(tmp_path, "add-labels", "wine", "bad.csv", *table)
    assert code == 1
    assert "bad.csv: line 2: `wrong` is 'perhaps'; write true or false" in wrong
    assert segue(tmp_path, "add-labels", "wine", str(tmp_path / "late.txt"), *table)[0] == 2


def test_a_report_is_written_as_a_page_and_as_a_picture(served, tmp_path):
    world, threads = served
    world.live()
    world.serve(100)
    release = world.rollout()
    world.serve(100, {release.backend: 0.3})
    world.play(60, until=release.name)
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    code, said, wrong = segue(tmp_path, "report", "rel-2", "-o", "why.html")
    assert code == 0, wrong
    assert said.startswith("wrote why.html: Rolled back from 10 %.")
    assert "<svg" in (tmp_path / "why.html").read_text()
    code, said, _ = segue(tmp_path, "report", "rel-2", "-o", "why.png", "--json")
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(said)["release"]["name"] == "rel-2"
    code, _, wrong = segue(tmp_path, "report", "rel-1")
    assert code == 2
    assert "segue report rel-1 -o rel-1.html" in wrong
    code, _, wrong = segue(tmp_path, "report", "rel-2", "-o", "why.pdf")
    assert code == 2
    assert ".html, .png, .svg" in wrong


def test_a_policy_is_tried_on_a_file_of_intervals(tmp_path):
    (tmp_path / "segue.yaml").write_text(WINE)
    lines = "".join(f"{at},20,{at // 50},180,1\n" for at in range(10, 600, 10))
    head = "at,candidate_requests,candidate_errors,stable_requests,stable_errors\n"
    (tmp_path / "past.csv").write_text(head + lines)
    code, said, wrong = segue(
        tmp_path, "replay", "--csv", "past.csv", "--policy", "segue.yaml", "--splits", "3"
    )
    assert code == 0, wrong
    assert "it would have rolled back after " in said
    assert "stable against itself: rolled back in 0 of 3 splits" in said
    code, said, _ = segue(tmp_path, "replay", "--csv", "past.csv", "--policy", "segue.yaml", "--json")
    assert json.loads(said)["replay"]["harm"]["guards"] == ["errors"]
    (tmp_path / "past.csv").write_text(head + "10,1,2,3,4\n20,1,0,3,0\n")
    code, _, wrong = segue(tmp_path, "replay", "--csv", "past.csv", "--policy", "segue.yaml")
    assert code == 1
    assert "past.csv: line 2: more errors than requests" in wrong
    assert segue(tmp_path, "replay", "--csv", "past.csv")[0] == 2
    assert segue(tmp_path, "replay")[0] == 2
    assert segue(tmp_path, "replay", "--csv", "nowhere.csv", "--policy", "segue.yaml")[0] == 1


def test_a_verdict_is_an_exit_code_that_only_a_yes_makes_0(served, tmp_path):
    world, threads = served
    world.live()
    for thread in threads:
        thread.start()
    wait_until(lambda: segue(tmp_path, "releases")[0] == 0)
    code, said, _ = segue(tmp_path, "verdict", "wine/production")
    assert (code, said) == (10, "wait: rel-1 on wine/production is promoted (not proven)\n")
    code, said, _ = segue(tmp_path, "verdict", "wine/production", "--weight", "50%", "--json")
    assert (code, json.loads(said)["answer"]) == (10, "wait")
    assert segue(tmp_path, "verdict", "wine/elsewhere")[0] == 1
    assert segue(tmp_path, "verdict", "wine/production", "--weight", "much")[0] == 2
    asked = tokens.make(world.store, "script", role=tokens.VERDICTS)
    assert segue(tmp_path, "verdict", "wine/production", SEGUE_TOKEN=asked)[0] == 10
    assert segue(tmp_path, "releases", SEGUE_TOKEN=asked)[0] == 1
    with world.store.change() as change:
        row = change.release(1)
        gone = replace(release_of(row), phase=Phase.ROLLED_BACK, reason="errors")
        change.save_release(release_row(gone, row.rev, row.created))
    code, said, _ = segue(tmp_path, "verdict", "wine/production", "--wait", "5s")
    assert (code, said.split(":")[0]) == (11, "back")


def test_check_tells_how_long_a_canary_needs_at_a_rate(tmp_path):
    (tmp_path / "segue.yaml").write_text(WINE)
    code, said, _ = segue(tmp_path, "check", "--rate", "0.2")
    assert code == 0
    assert "wine/production: needs about " in said
    code, said, _ = segue(tmp_path, "check", "--rate", "0.2", "--json")
    (found,) = json.loads(said)
    assert found["needs"][0]["target"] == "wine/production"
    assert found["needs"][0]["seconds"] > 3600


def test_the_help_of_connect_names_each_kind_by_what_it_is_for():
    told = connecting.connect.help.split("KIND is one of")[1].split("\n\n")[0]
    named = [one for line in told.splitlines() for one in line.split(maxsplit=1)[1:]]
    assert sorted(", ".join(named).split(", ")) == sorted(connecting.KINDS)
