"""`segue audit`: what is proven of a record that somebody changed, by itself and by checkpoints kept elsewhere."""

import base64
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, replace

import pytest
import requests
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.release import Cause, Release
from policies.spec.declaration import Environment
from service import keys
from service.bootstrap import Parts
from service.cli.main import group
from service.engine import checkpoints
from service.settings import Settings
from service.showing import exported
from service.store import chain
from service.store.record_parts import Part
from service.store.states import release_row
from service.store.store import Store
from service.web import create_web
from tests.serving import Served

RELEASE = Release("rel-2", 1, "wine", "wine/production", Environment(), "v2", "b", Cause("push", None))
TEXTS = [
    "",
    "ann",
    "=1+1",
    "'quoted'",
    'a "b", c',
    "two\nlines\r",
    "é\N{PILE OF POO}\u2028",
    "-1",
    "<script>",
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    made = tmp_path_factory.mktemp("installed")
    typed(made, "migrate")
    typed(made, "signing-key")
    return made


@pytest.fixture
def home(tmp_path, installed):
    return shutil.copytree(installed, tmp_path / "home")


def typed(home, *words, code=0, **environ):
    result = CliRunner().invoke(group, list(map(str, words)), env={"SEGUE_HOME": str(home), **environ})
    assert result.exit_code == code, result.output
    return result.output or str(result.exception)


def verified(home, *words, code=0):
    return json.loads(typed(home, "audit", "verify", "--json", *words, code=code))


def opened(home):
    return Store.open(f"sqlite:///{home}/stores/engine.db")


def tell(home, *subjects, actor="ann"):
    with closing(opened(home)) as store, store.change() as change:
        for subject in subjects:
            change.record(subject, actor, "approve", {"plan": subject, "share": 0.1})


def lines(home):
    with closing(sqlite3.connect(home / "stores" / "engine.db")) as connection:
        rows = connection.execute(f"SELECT {', '.join(exported.COLUMNS)} FROM record ORDER BY id")  # noqa: S608
        return [chain.Line(*row) for row in rows]


def forge(home, wanted):
    """Have the database hold these rows, as somebody with all rights over it could."""
    with closing(sqlite3.connect(home / "stores" / "engine.db")) as connection, connection:
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS record_no_{verb}")
        connection.execute("DELETE FROM record")
        marks = ", ".join("?" * len(exported.COLUMNS))
        rows = [tuple(asdict(line).values()) for line in wanted]
        connection.executemany(f"INSERT INTO record VALUES ({marks})", rows)  # noqa: S608


def anew(wanted, since=1):
    """The same with each hash made again from that entry on: what nothing in the record shows."""
    made, previous = [], chain.FIRST
    for number, line in enumerate(wanted, 1):
        if number >= since:
            line = replace(line, id=number, previous_hash=previous)  # noqa: PLW2901
            line = replace(line, hash=chain.digest(line))  # noqa: PLW2901
        made.append(line)
        previous = line.hash
    return made


@pytest.fixture
def told(home):
    """Six entries, and a checkpoint of the first four."""
    tell(home, "rel-1", "rel-2", "rel-1", "rel-3")
    typed(home, "audit", "checkpoint", "-o", home / "four.json")
    tell(home, "rel-2", "rel-4")
    return home


def test_what_nobody_changed_is_proven_as_far_as_that_goes(told):
    first, *_, alone = typed(told, "audit", "verify").splitlines()
    assert "entries 1 to" in first
    assert "no checkpoint was held against it" in alone
    size = len(lines(told))
    words = typed(told, "audit", "verify", "--checkpoint", told / "four.json").splitlines()
    assert f"entries {size - 1} to {size} are newer than it, and rest on the chain alone" in words
    found = verified(told, "--checkpoint", told / "four.json")
    assert (found["proven"], found["held"]["entry"], found["last"]) == (True, size - 2, size)


def held(told):
    """The entry that the checkpoint is of."""
    return verified(told, "--checkpoint", told / "four.json")["held"]["entry"]


@pytest.mark.parametrize("column", exported.COLUMNS[1:])
def test_an_edited_entry_is_the_first_that_is_named(told, column):
    rows = lines(told)
    value = getattr(rows[2], column)
    other = value + 1 if isinstance(value, float) else value[:-1] + chr(ord(value[-1]) ^ 1)
    rows[2] = replace(rows[2], **{column: other})
    forge(told, rows)
    assert verified(told, code=1)["tampered"]["entry"] == 3


def test_a_removed_one_is_missed_where_it_stood(told):
    rows = lines(told)
    forge(told, rows[:2] + rows[3:])
    found = verified(told, code=1)["tampered"]
    assert found == {"entry": 3, "reason": "entry 3 is missing"}
    assert "entry 3 is not as it was written" in typed(told, "audit", "verify", code=1)


def test_two_that_changed_places_are_noticed_at_the_first(told):
    rows = lines(told)
    rows[1], rows[2] = replace(rows[2], id=2), replace(rows[1], id=3)
    forge(told, rows)
    assert verified(told, code=1)["tampered"]["entry"] == 2


def test_what_was_cut_off_at_the_end_only_a_checkpoint_shows(told):
    rows, size = lines(told), held(told)
    forge(told, rows[: size - 2])
    assert verified(told)["proven"]
    found = verified(told, "--checkpoint", told / "four.json", code=1)["tampered"]
    assert found["entry"] == size - 1
    assert f"entries {size - 1} to {size} are missing" in found["reason"]


def test_what_was_written_anew_only_a_checkpoint_shows_and_says_between_which_entries(told):
    rows, size = lines(told), held(told)
    rows[1] = replace(rows[1], actor="eve")
    forge(told, anew(rows))
    assert verified(told)["proven"]
    found = verified(told, "--checkpoint", told / "four.json", code=1)["tampered"]
    assert found["entry"] == size
    assert f"one of the entries 1 to {size} was changed" in found["reason"]


def test_an_earlier_checkpoint_that_agrees_narrows_it_down(told):
    typed(told, "audit", "checkpoint", "-o", told / "six.json")
    rows, size = lines(told), held(told)
    rows[size] = replace(rows[size], actor="eve")
    forge(told, anew(rows, since=size + 1))
    found = verified(told, "--checkpoint", told / "four.json", "--checkpoint", told / "six.json", code=1)
    assert f"one of the entries {size + 1} to {size + 2} was changed" in found["tampered"]["reason"]
    assert found["held"]["entry"] == size


def test_what_was_changed_behind_the_last_checkpoint_and_written_anew_is_told_to_be_unproven(told):
    rows, size = lines(told), held(told)
    rows[size] = replace(rows[size], actor="eve")
    forge(told, anew(rows, since=size + 1))
    words = typed(told, "audit", "verify", "--checkpoint", told / "four.json")
    assert f"entries {size + 1} to {size + 2} are newer than it, and rest on the chain alone" in words


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_done_to_the_rows_a_checkpoint_of_all_shows_it(told, data):
    """Edited, removed, put elsewhere, doubled, cut, and with or without its hashes made anew."""
    rows = data.draw(st.shared(st.just(lines(told)), key="rows"))
    whole = chain.Head(rows[-1].id, rows[-1].hash, 1.0)
    changed = list(rows)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["edit", "remove", "swap", "cut", "insert"])):
            case "edit":
                column = data.draw(st.sampled_from(("subject", "actor", "action", "detail")))
                changed[at] = replace(changed[at], **{column: data.draw(st.sampled_from(TEXTS))})
            case "remove" if len(changed) > 1:
                del changed[at]
            case "swap":
                other = data.draw(st.integers(0, len(changed) - 1))
                changed[at], changed[other] = changed[other], changed[at]
            case "cut":
                changed = changed[: at + 1]
            case "insert":
                changed.insert(at, changed[at])
    if data.draw(st.booleans()):
        changed = anew(changed)
    else:
        changed = [replace(line, id=number) for number, line in enumerate(changed, 1)]
    same = changed == rows
    first = next(
        (n for n, (a, b) in enumerate(zip(changed, rows, strict=False), 1) if a != b), len(changed) + 1
    )
    forge(told, changed)
    with closing(opened(told)) as store:
        found = store.prove([whole]).tampered
    forge(told, rows)
    assert (found is None) is same
    assert same or found.id >= min(first, len(rows))


# --- exports ---------------------------------------------------------------------------------


@pytest.fixture
def served(told, monkeypatch):
    """Its API over HTTP, which `segue audit export` asks."""
    store = opened(told)
    parts = Parts(Settings(home=told), store, *[None] * 6, open_source=None)
    server = Served(create_web(parts, None))
    monkeypatch.setenv("SEGUE_WEB_URL", f"http://127.0.0.1:{server.port}")
    yield told
    server.end()
    store.close()


def tell_more(home):
    """What others wrote, in every column that holds their words."""
    with closing(opened(home)) as store:
        for text in TEXTS:
            with store.change() as change:
                change.record(text, text, text, {"said": text})


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_is_proven_without_the_installation_by_the_public_key(served, tmp_path, form):
    tell_more(served)
    file = tmp_path / f"record.{form}"
    typed(served, "audit", "export", "-o", file)
    (tmp_path / "segue.pub").write_text(typed(served, "signing-key"))
    words = ("--export", file, "--key", tmp_path / "segue.pub", "--checkpoint", served / "four.json")
    found = verified(tmp_path / "nowhere", *words)
    assert (found["proven"], found["last"]) == (True, len(lines(served)))
    with file.open(newline="") as read:
        assert list(exported.read(read, exported.Form(form))) == lines(served)


def test_an_export_over_http_is_a_file_whose_name_is_ours(served):
    token = (served / "secrets" / "operator-token").read_text().strip()
    query = {"form": "csv", "model": 'x"; filename=evil'}
    for more, status in (({"form": "csv"}, 200), (query, 404)):
        answer = requests.get(
            f"{os.environ['SEGUE_WEB_URL']}/api/v1/record/export",
            params=more,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        assert answer.status_code == status
        named = 'attachment; filename="record.csv"' if status == 200 else None
        assert answer.headers.get("Content-Disposition") == named


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_changed_export_is_noticed_at_the_line(served, tmp_path, form):
    file = tmp_path / f"record.{form}"
    typed(served, "audit", "export", "-o", file)
    text = file.read_text()
    file.write_text(text.replace("rel-3", "rel-9", 1))
    changed = next(line for line in lines(served) if line.subject == "rel-3").id
    assert verified(served, "--export", file, code=1)["tampered"]["entry"] == changed


def test_lines_in_another_order_are_noticed(served, tmp_path):
    file = tmp_path / "record.jsonl"
    typed(served, "audit", "export", "-o", file)
    one, two, *others = file.read_text().splitlines(keepends=True)
    file.write_text("".join([one, *others, two]))
    assert verified(served, "--export", file, code=1)["tampered"] == {
        "entry": 2,
        "reason": "entry 2 is missing",
    }


def test_an_export_of_a_release_is_a_part_and_told_so(served, tmp_path):
    file = tmp_path / "part.jsonl"
    with closing(opened(served)) as store, store.change() as change:
        change.save_release(release_row(RELEASE, 0, 1.0))
    typed(served, "audit", "export", "-o", file, "--release", "rel-2")
    assert {json.loads(line)["subject"] for line in file.read_text().splitlines()} == {"rel-2"}
    assert verified(served, "--export", file, code=1)["tampered"]["reason"].endswith("is missing")
    found = verified(served, "--export", file, "--part")
    assert (found["entries"], found["gaps"], found["tampered"]) == (2, 1, None)
    assert "whether entries are missing, it cannot show" in typed(
        served, "audit", "verify", "--export", file, "--part"
    )


def test_an_export_of_a_model_holds_its_releases_versions_and_targets_and_of_no_other(served, tmp_path):
    with closing(opened(served)) as store, store.change() as change:
        change.save_release(release_row(RELEASE, 0, 1.0))
        for subject in ("v1", "wine/production", "wine_2/production", "winey"):
            change.record(subject, "segue", "seen")
    file = tmp_path / "part.csv"
    typed(served, "audit", "export", "-o", file, "--model", "wine")
    with file.open(newline="") as read:
        subjects = {line.subject for line in exported.read(read, exported.Form.CSV)}
    assert subjects == {"rel-2", "wine/production"}


def test_an_export_of_a_time_holds_what_was_written_in_it(served):
    rows = lines(served)
    with closing(opened(served)) as store:
        found = list(store.record_part(Part(since=rows[2].at, until=rows[-1].at)))
    assert found == [line for line in rows if rows[2].at <= line.at < rows[-1].at]


def test_what_comes_while_it_is_read_is_not_in_it(served, monkeypatch):
    monkeypatch.setattr("service.store.record_parts.PAGE", 2)
    before = lines(served)
    with closing(opened(served)) as store:
        found = []
        for line in store.record_part(Part()):
            found.append(line)
            with store.change() as change:
                change.record("rel-9", "ann", "look")
    assert found == before


def test_a_release_that_nobody_knows_is_told_so_and_no_file_is_left(served, tmp_path):
    file = tmp_path / "record.jsonl"
    words = typed(served, "audit", "export", "-o", file, "--release", "rel-99", code=1)
    assert "no such release" in words
    assert list(tmp_path.glob("*record*")) == []


EMPTY = dict.fromkeys(exported.COLUMNS, "")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", "", "there is no entry"),
        ("a.jsonl", "{}\n", "line 1 is no entry"),
        ("a.jsonl", "[" * 100_000, "line 1 is no entry"),
        ("a.jsonl", json.dumps(EMPTY | {"id": 1e999, "at": 1}), "line 1 is no entry"),
        ("a.jsonl", json.dumps(EMPTY | {"id": 1, "at": 10**400}), "line 1 is no entry"),
        ("a.jsonl", "é".encode("latin-1"), "codec can't decode"),
        ("a.csv", "id,at\n", "the first line must be"),
        ("a.csv", ",".join(exported.COLUMNS) + '\n1,"', "line 2 is no entry"),
        ("a.csv", ",".join(exported.COLUMNS) + "\n1,2\n", "line 2 is no entry"),
        ("a.csv", ",".join(exported.COLUMNS) + "\none,2,,,,,,\n", "line 2 is no entry"),
    ],
)
def test_a_file_that_is_no_export_is_told_so(home, name, text, said):
    (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    empty = said == "there is no entry"
    assert said in typed(home, "audit", "verify", "--export", home / name, code=0 if empty else 1)


# --- checkpoints -----------------------------------------------------------------------------


def test_a_checkpoint_is_a_signed_envelope_that_others_can_verify(told):
    envelope = json.loads((told / "four.json").read_text())
    payload = base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 %d %s %d %s" % (len(checkpoints.KIND), checkpoints.KIND.encode(), len(payload), payload)
    (one,) = envelope["signatures"]
    public = keys.trusted(typed(told, "signing-key").encode())
    assert keys.signed_by(public, signed, base64.b64decode(one["sig"]))
    assert set(json.loads(payload)) == {"size", "hash", "at"}


def test_a_checkpoint_that_no_known_key_signed_proves_nothing_and_is_refused(told):
    head = chain.Head(1, "0" * 64, 1.0)
    (told / "forged.json").write_bytes(checkpoints.sign(head, keys.new()))
    words = typed(told, "audit", "verify", "--checkpoint", told / "forged.json", code=1)
    assert "no known key signed it" in words


@pytest.mark.parametrize("part", ["payload", "sig"])
def test_one_letter_of_it_changed_is_refused(told, part):
    text = (told / "four.json").read_text()
    envelope = json.loads(text)
    value = envelope["payload"] if part == "payload" else envelope["signatures"][0]["sig"]
    forged = value[:10] + ("A" if value[10] != "A" else "B") + value[11:]
    (told / "forged.json").write_text(text.replace(value, forged))
    typed(told, "audit", "verify", "--checkpoint", told / "forged.json", code=1)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"payload": 1}', "[" * 100_000, "{" * 70_000])
def test_what_is_no_checkpoint_is_told_so(told, content):
    (told / "other.json").write_text(content)
    words = typed(told, "audit", "verify", "--checkpoint", told / "other.json", code=1)
    assert "checkpoint" in words


def test_one_that_a_replaced_key_signed_still_counts(told):
    typed(told, "signing-key", "--replace")
    assert verified(told, "--checkpoint", told / "four.json")["held"]


def test_nothing_is_signed_of_a_record_that_is_not_as_it_was_written(told):
    rows = lines(told)
    rows[1] = replace(rows[1], actor="eve")
    forge(told, rows)
    assert "entry 2 is not as it was written" in typed(told, "audit", "checkpoint", code=1)


def test_a_checkpoint_is_never_written_over(told):
    before = (told / "four.json").read_bytes()
    typed(told, "audit", "checkpoint", "-o", told / "four.json", code=1)
    assert (told / "four.json").read_bytes() == before


def test_without_a_key_it_says_how_to_make_one(told):
    (told / "secrets" / "signing-key").unlink()
    assert "segue signing-key" in typed(told, "audit", "checkpoint", code=1)


def test_a_folder_gives_all_that_lie_in_it_and_an_empty_one_is_no_proof(told, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    typed(told, "audit", "verify", "--checkpoint", kept, code=1)
    head = chain.Head(lines(told)[0].id, lines(told)[0].hash, 1.0)
    private = (told / "secrets" / "signing-key").read_bytes()
    (kept / checkpoints.name(head)).write_bytes(checkpoints.sign(head, private))
    assert verified(told, "--checkpoint", kept)["held"]["entry"] == 1
