"""Labels of what Segue makes: valid whatever the names are, apart where the names are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.kubernetes import labels
from service.ports.outcomes import Refused

VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def test_what_is_readable_stays_so():
    assert labels.labels("churn/prod", "churn-prod-0a1b", "team") == {
        "app.kubernetes.io/managed-by": "segue",
        "segue.dev/target": "churn.prod",
        "segue.dev/backend": "churn-prod-0a1b",
        "segue.dev/owner": "team",
    }


@given(st.text(max_size=200))
def test_every_text_becomes_a_value_that_kubernetes_takes(text):
    assert VALUE.fullmatch(labels.value(text))


def test_long_names_with_one_beginning_stay_apart():
    assert labels.value("a" * 80 + "/prod") != labels.value("a" * 80 + "/staging")


def test_a_selector_asks_for_all_labels():
    assert labels.selector({"b": "2", "a": "1"}) == "a=1,b=2"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "one that Segue did not make"),
        ({"app.kubernetes.io/managed-by": "Helm"}, "one of 'Helm'"),
        (labels.labels("churn/prod", "x", "others"), "one of 'others'"),
    ],
)
def test_an_object_of_somebody_else_is_refused(said, words):
    found = {"kind": "Service", "metadata": {"name": "x", "namespace": "shop", "labels": said}}
    with pytest.raises(Refused) as raised:
        labels.check_owner(found, "us")
    assert words in str(raised.value)
    labels.check_owner({"metadata": {"labels": labels.labels("churn/prod", "x", "us")}}, "us")
