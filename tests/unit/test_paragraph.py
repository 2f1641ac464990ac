"""Segue's paragraph in people's descriptions: a line for each target, and nothing of theirs is lost or becomes ours."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters import paragraph
from service.adapters.markdown import escaped
from service.adapters.paragraph import MOST, put

OURS = "<!-- segue -->\n* churn/production: rel-4 was promoted\n<!-- /segue -->"
texts = st.text(st.characters(codec="utf-8") | st.sampled_from("<!-->&`*_[](){}|\\#~:/.@\n\r* "), max_size=80)


def lines(description):
    found = paragraph._OURS.search(description)
    return found["lines"].splitlines() if found else []


def test_it_stands_alone_or_below_what_people_wrote():
    assert put("", "churn/production", "rel-4 was promoted") == OURS
    assert put("Trained in May.\n", "churn/production", "rel-4 was promoted") == f"Trained in May.\n\n{OURS}"


def test_each_target_has_one_line_which_is_replaced_where_the_paragraph_stands():
    both = put(put(f"before\n{OURS}\nafter", "churn/staging", "there"), "churn/production", "rel-5 serves")
    wanted = ["* churn/staging: there", "* churn/production: rel-5 serves"]
    assert lines(both) == wanted
    assert (both.startswith("before\n<!-- segue -->"), both.endswith("<!-- /segue -->\nafter")) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    "broken", ["<!-- segue -->\nmine", "<!-- /segue -->", "<!-- segue -->\nx\n<!-- /segue -->"]
)
def test_a_paragraph_that_people_changed_is_theirs(broken):
    assert put(broken, "churn/production", "rel-4 was promoted") == f"{broken}\n\n{OURS}"


def test_where_there_is_no_room_the_oldest_lines_go_and_people_s_words_never():
    long = "x" * (MOST - len(OURS) - 20)
    after = put(put(long, "churn/production", "rel-4 was promoted"), "churn/staging", "there")
    assert (len(after) <= MOST, lines(after)) == (True, ["* churn/staging: there"])
    assert put("x" * MOST, "churn/production", "said") == "x" * MOST


@given(texts, texts, texts)
def test_what_people_wrote_stays_and_the_same_again_changes_nothing(before, about, text):
    after = put(before, about, text)
    assert put(after, about, text) == after
    assert after.replace(paragraph._OURS.search(after)[0], "").startswith(before.rstrip())
    assert len(lines(after)) <= len(lines(before)) + 1


@given(texts)
def test_escaped_text_is_one_line_without_markup_and_reads_as_it_was(text):
    shown = escaped(text, 1000)
    assert not re.search(r"[<>\n\r]|://|www\.|(?<!\\)(?:\\\\)*(?<!\\)[`*_\[\]|]", shown)
    read = html.unescape(re.sub(r"\\([\\`*_{}\[\]()#!|~])", r"\1", shown))
    if all(letter.isprintable() for letter in text):
        assert read == " ".join(text.split())


def test_a_link_a_tag_and_a_table_s_end_are_letters():
    told = "see https://evil.example and www.evil.example <img src=x> | [a](b) `c`"
    shown = escaped(told, 1000)
    assert shown == (
        r"see https&#58;//evil.example and www&#46;evil.example &lt;img src=x&gt; \| \[a\]\(b\) \`c\`"
    )
    assert escaped("x" * 50, 10) == "x" * 9 + "…"
