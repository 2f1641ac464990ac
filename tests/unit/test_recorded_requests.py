"""Files of recorded requests: read line by line, and every line that is none is named."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.recorder import requests
from service.recorder.requests import Recorded, Unusable


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = requests.file_of(tmp_path, "april")
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
        return path

    return write


def test_a_file_is_read_in_parts_of_whole_lines(file):
    rows = [{"path": "/x", "body": "a\r" + "b" * n} for n in range(9)]
    path = file(*rows[:4], "", *rows[4:])
    whole = list(requests.read(path))
    for size in (1, 60, 1_000):
        line, found = 1, []
        while lines := requests.part(path, requests.begin_of(path, line), 3, size):
            assert len(lines) <= 3
            found += requests.of_part(b"".join(lines), line)
            line += len(lines)
        assert found == whole
        assert line == 11
    for missing in (requests.begin_of, lambda path, at: requests.part(path, at, 1, 1)):
        with pytest.raises(Unusable, match="cannot be read"):
            missing(path.with_name("may.jsonl"), 1)


def test_each_line_is_a_request(file):
    path = file(
        {"path": "/invocations", "body": {"inputs": [1]}},
        "",
        {
            "path": "/x?a=1",
            "body": "plain",
            "headers": {"Content-Type": "text/csv"},
            "method": "PUT",
            "id": "r-1",
        },
        {"path": "/x"},
        {"path": "/x", "body": None},
    )
    assert requests.check(path) == 4
    json_too = (("Content-Type", "application/json"),)
    assert list(requests.read(path)) == [
        Recorded(1, "recorded-1", "POST", "/invocations", json_too, b'{"inputs": [1]}'),
        Recorded(3, "r-1", "PUT", "/x?a=1", (("Content-Type", "text/csv"),), b"plain"),
        Recorded(4, "recorded-4", "GET", "/x", (), b""),
        Recorded(5, "recorded-5", "POST", "/x", (), b""),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: it is no JSON"),
        ("[" * 100_000, "line 2: it is no JSON"),
        ("[]", "line 2: it is no object"),
        ({"body": 1}, "line 2: `path` must be"),
        ({"path": "//other.host/x"}, "line 2: `path` must be"),
        ({"path": "http://other.host/x"}, "line 2: `path` must be"),
        ({"path": "/a b"}, "line 2: `path` must be"),
        ({"path": "/x", "verb": "GET"}, "line 2: `verb` is unknown; known: path, body, method, headers, id"),
        ({"path": "/x", "method": "DELETE"}, "line 2: `method` must be one of GET, POST, PUT"),
        ({"path": "/x", "method": ["GET"]}, "line 2: `method` must be one of"),
        ({"path": "/x", "headers": []}, "line 2: `headers` must be an object"),
        ({"path": "/x", "headers": {"A": "b\r\nC: d"}}, "line 2: the header `A` is none"),
        ({"path": "/x", "headers": {"A b": "c"}}, "line 2: the header `A b` is none"),
        ({"path": "/x", "headers": {"Host": "c"}}, "line 2: the header `Host` is set anew"),
        ({"path": "/x", "id": ""}, "line 2: `id` must be a text"),
        ({"path": "/x", "id": 5}, "line 2: `id` must be a text"),
        ({"path": "/x", "id": "same"}, "line 2: its id is that of line 1"),
        ({"path": "/x", "body": "a" * (3 << 20)}, "line 2: its body is longer than 2 MB"),
        ('"' + "a" * (5 << 20) + '"', "line 2: it is longer than 4 MB"),
    ],
    ids=lambda value: None if isinstance(value, str) and value.startswith("line") else "",
)
def test_a_line_that_is_none_is_told_by_its_number(file, line, says):
    path = file({"path": "/x", "id": "same"}, line)
    with pytest.raises(Unusable, match=r"^april\.jsonl: ") as told:
        requests.check(path)
    assert says in str(told.value)
    assert [one.line for one in requests.read(path)][:1] == [1], "what was good stays"


def test_some_bad_lines_are_told_at_once_and_not_all(file):
    with pytest.raises(Unusable) as told:
        requests.check(file(*["{"] * 100))
    assert [f"line {n}:" in str(told.value) for n in (1, 5, 6)] == [True, True, False]


def test_a_file_that_is_empty_or_not_there_is_told(file, tmp_path):
    with pytest.raises(Unusable, match="it holds no request"):
        requests.check(file(""))
    with pytest.raises(Unusable, match="it cannot be read: No such file"):
        requests.check(requests.file_of(tmp_path, "may"))


@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_line_breaks_the_reader(tmp_path_factory, text, raw):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(json.dumps({"path": text, "id": text, "headers": {text: text}}).encode() + b"\n" + raw)
    good = list(requests.read(path))
    with contextlib.suppress(Unusable):
        assert requests.check(path) == len(good)
    assert {one.path[:1] for one in good} <= {"/"}
