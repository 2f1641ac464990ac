"""Batches and files of true labels: what they say, and how what is wrong is named."""

import json
from dataclasses import replace

import pytest

from handlers import labels
from handlers.errors import Malformed
from handlers.labels import Batch, Label

AT = 1_769_868_180.0  # 2026-01-31T14:03:00Z
ROW = {"request": "r-1", "at": "2026-01-31T14:03:00Z", "version": "v", "wrong": True}


def body(*rows, **more):
    return json.dumps({"model": "churn", "table": "warehouse.labels", "labels": list(rows)} | more).encode()


def test_a_batch_says_what_turned_out_to_be_wrong():
    plain = {"request": "r-2", "at": AT, "prediction": 1, "label": "1.0"}
    other = {"request": "r-3", "at": "2026-01-31T16:03:00+02:00", "prediction": "cat", "label": "dog"}
    assert labels.parse(body(ROW, plain, other)) == Batch(
        "churn",
        "warehouse.labels",
        (
            Label("r-1", AT, True, "v"),
            Label("r-2", AT, False, truth="1"),
            Label("r-3", AT, True, truth="dog"),
        ),
    )


def test_a_batch_is_what_it_is_written_as():
    batch = Batch("churn", "warehouse.labels", (Label("r-1", AT, True, "v"), Label("r-2", 1.5, False)))
    assert labels.parse(labels.body_of(batch)) == batch


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({**ROW, "request": ""}, "labels[1]: `request`"),
        ({**ROW, "request": 7}, "labels[1]: `request`"),
        ({**ROW, "at": "2026-01-31T14:03:00"}, "labels[1]: `at`"),  # no zone: whose time is it?
        ({**ROW, "at": "yesterday"}, "labels[1]: `at`"),
        ({**ROW, "at": True}, "labels[1]: `at`"),
        ({**ROW, "at": -1}, "labels[1]: `at`"),
        ({**ROW, "at": "1e999"}, "labels[1]: `at`"),
        ({**ROW, "at": AT * 1000}, "labels[1]: `at`"),  # milliseconds
        ({**ROW, "version": ""}, "labels[1]: `version`"),
        ({**ROW, "wrong": "perhaps"}, "labels[1]: `wrong` is 'perhaps'; write true or false"),
        ({**ROW, "wrong": None}, "labels[1]: `wrong`"),
        ({"request": "r", "at": AT, "prediction": 1}, "neither `wrong` nor both"),
        ({"request": "r", "at": AT, "prediction": [1], "label": 1}, "must be classes"),
        ("r-1", "labels[1]: a row must be an object"),
    ],
)
def test_a_row_that_says_nothing_is_named(row, named):
    with pytest.raises(Malformed) as told:
        labels.parse(body(ROW, row))
    assert named in str(told.value)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (body(), "`labels` must be a list of rows"),
        (body(ROW, labels="all"), "`labels` must be a list of rows"),
        (body(*[ROW] * (labels.MOST + 1)), "send at most 5000 at once"),
        (body(ROW, table="labels"), "write a source and a table, such as warehouse.labels"),
        (body(ROW, model=None), "`model`"),
        (b"[]", "not a JSON object"),
    ],
)
def test_a_batch_that_says_nothing_is_named(data, named):
    with pytest.raises(Malformed) as told:
        labels.parse(data)
    assert named in str(told.value)


def test_a_whole_batch_is_not_too_much():
    full = [
        {"request": f"r-{n}", "at": AT, "version": "v", "prediction": 1, "label": 2}
        for n in range(labels.MOST)
    ]
    assert len(labels.parse(body(*full)).labels) == labels.MOST


def test_a_number_that_is_none_is_a_class_like_any_other():
    row = {"request": "r", "at": AT, "prediction": "nan", "label": "nan"}
    assert labels.parse(body(row)).labels[0].wrong is False


def test_files_of_both_forms_say_the_same():
    csv = 'request,at,version,prediction,label,note\nr-1,2026-01-31T14:03:00Z,v,yes,no,"a, b"\nr-2,1769868180,,1,1.0,\n'
    lines = '{"request": "r-1", "at": 1769868180, "version": "v", "wrong": true}\n\n{"request": "r-2", "at": 1769868180, "wrong": "no"}\n'
    wanted = [Label("r-1", AT, True, "v"), Label("r-2", AT, False)]
    known = [replace(wanted[0], truth="no"), replace(wanted[1], truth="1")]
    assert list(labels.rows_of_csv(csv)) == list(zip((2, 3), known, strict=True))
    assert list(labels.rows_of_lines(lines)) == list(zip((1, 3), wanted, strict=True))


@pytest.mark.parametrize(
    ("read", "content", "named"),
    [
        (labels.rows_of_csv, "request,wrong\nr-1,true\n", "line 1: no column at"),
        (labels.rows_of_csv, "", "line 1: no column at, request"),
        (labels.rows_of_csv, "request,at,wrong\nr-1,1,true\nr-2,1,\n", "line 3: says neither"),
        (
            labels.rows_of_lines,
            '{"request": "r", "at": 1, "wrong": true}\n{"request": "r"\n',
            "line 2: the body",
        ),
        (labels.rows_of_lines, '{"request": "r", "at": 0, "wrong": true}\n', "line 1: `at`"),
    ],
)
def test_a_line_that_says_nothing_is_named(read, content, named):
    with pytest.raises(Malformed) as told:
        list(read(content))
    assert str(told.value).startswith(named)


def test_each_form_of_rows_may_say_the_segments_of_its_request():
    wanted = Label("r-1", AT, True, "v", segments=(("country", "tr"), ("tenant", "007")))
    csv = f"request,at,version,wrong,segment.tenant,segment.country\nr-1,{AT},v,true,007,tr\nr-2,{AT},v,true,,\n"
    assert [label for _, label in labels.rows_of_csv(csv)] == [wanted, Label("r-2", AT, True, "v")]
    row = {
        "request": "r-1",
        "at": AT,
        "version": "v",
        "wrong": True,
        "segment.tenant": "007",
        "segment.country": "tr",
    }
    assert list(labels.rows_of_lines(json.dumps(row))) == [(1, wanted)]
    table = {"columns": list(row), "data": [list(row.values())]}
    assert list(labels.rows_of_table(json.dumps(table).encode())) == [(1, wanted)]
    batch = Batch("churn", "warehouse.labels", (wanted,))
    assert labels.parse(labels.body_of(batch)) == batch


@pytest.mark.parametrize(
    ("value", "text"), [(12345678901, "12345678901"), (7.0, "7"), (0.5, "0.5"), (True, "true"), ("", "")]
)
def test_the_value_of_a_segment_is_a_text_in_which_each_digit_counts(value, text):
    (label,) = labels.parse(body({**ROW, "segment.tenant": value})).labels
    assert label.segments == (("tenant", text),)


@pytest.mark.parametrize("value", ["a\0", "\ud800", ["a"]])
def test_a_table_whose_segments_no_database_takes_is_refused(value):
    table = {"columns": ["request", "at", "wrong", "segment.tenant"], "data": [["r-1", AT, True, value]]}
    with pytest.raises(Malformed, match=r"row 1: `segment\.tenant` must be a text"):
        list(labels.rows_of_table(json.dumps(table).encode()))


@pytest.mark.parametrize(
    ("segments", "named"),
    [
        ({"segment.": "a"}, "'segment.' names no label"),
        ({"segment.my-tenant": "a"}, "'segment.my-tenant' names no label"),
        ({"segment.tenant": ["a"]}, "`segment.tenant` must be a text"),
        ({"segment.tenant": "a" * 101}, "at most 100 characters"),
        ({f"segment.s{n}": "a" for n in range(7)}, "says 7 segments; write at most 6"),
    ],
)
def test_a_segment_that_is_none_is_named(segments, named):
    with pytest.raises(Malformed) as told:
        labels.parse(body({**ROW, **segments}))
    assert named in str(told.value)
