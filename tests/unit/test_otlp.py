"""Who answered, read from spans: what a data plane sends, and what nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.recorder import otlp
from service.recorder.otlp import Answered
from tests.spans import message, span

ASKED = {"url.path": "/fraud/production/invocations"}
STAMP = {"http.response.header.x-segue-served-by": ["abcd"]}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({**ASKED, **STAMP, "http.request.header.x-request-id": ["r-1"]}, ("r-1", "abcd")),
        ({**ASKED, **STAMP, "http.response.header.x-request-id": ["m-1"]}, ("m-1", "abcd")),
        (
            {
                **ASKED,
                **STAMP,
                "http.response.header.x-request-id": ["m-1"],
                "http.request.header.x-request-id": ["r-1", "r-2"],
            },
            ("r-1", "abcd"),
        ),
        ({**ASKED, "http.request.header.x-request-id": ["r" * 500]}, ("r" * 200, "")),
        ({**ASKED, **STAMP, "http.request.header.x-request-id": []}, ("", "abcd")),
        ({**ASKED, "http.request.header.x-request-id": 7, "http.response.status_code": 200}, ("", "")),
    ],
    ids=["by the caller", "by the answer", "the caller's first", "cut", "none", "a number is no id"],
)
def test_a_servers_span_says_who_answered_which_request(attributes, expected):
    path = "/fraud/production/invocations"
    assert otlp.answered(message(span(attributes, ended=17.5))) == [Answered(path, *expected, 17.5)]


def test_spans_of_others_say_nothing_and_all_others_are_read_whatever_stands_between_them():
    spans = [span({**ASKED, **STAMP}, ended=n) for n in (1, 2, 3)]
    others = [span({"url.full": "http://10.0.0.1/"}, ended=9)] * 2
    found = otlp.answered(message(spans[0], *others, spans[1]) + message(spans[2]))
    assert [one.at for one in found] == [1.0, 2.0, 3.0]


def test_what_breaks_off_is_no_message():
    whole = message(span({**ASKED, **STAMP}, ended=1))
    with pytest.raises(ValueError, match="no ExportTraceServiceRequest"):
        otlp.answered(whole[:-3])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(sent):
    try:
        assert isinstance(otlp.answered(sent), list)
    except ValueError:
        pass
