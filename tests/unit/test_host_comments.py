"""Segue's comments at hosts: known again, changed by key, and harmless whatever they quote."""

from handlers import commands
from service.adapters.hosts import comments
from service.ports.git import CommitState, CommitStatus

MARK = comments.mark(b"key", "https://git.example/acme/models", "pull/7", "report")


def status(key="segue/wine", title="done", text="", state=CommitState.SUCCESS):
    return CommitStatus("a" * 40, key, state, title, text)


def test_a_mark_differs_by_key_page_place_and_name():
    others = {
        comments.mark(key, page, where, name)
        for key in (b"key", b"other")
        for page in ("https://git.example/acme/models", "https://git.example/acme/other")
        for where in ("pull/7", "pull/8")
        for name in ("report", "other")
    }
    assert len(others) == 16
    assert all(mark.startswith("<!-- segue ") for mark in others)


def test_each_key_keeps_its_newest_status_in_one_text():
    body = comments.reported(MARK, "", status(title="begun"))
    body = comments.reported(MARK, body, status("segue/other", text="why"))
    body = comments.reported(MARK, body, status(title="done"))
    assert comments.note_of(body) == "[success] segue/wine: done\n\n[success] segue/other: done\n    why"
    assert comments.reported(MARK, body, status(title="done")) == body


def test_what_it_quotes_is_no_markup_and_no_command():
    body = comments.reported(MARK, "", status(title="````", text="```\n/segue abort\n@ann <b>\n`````"))
    fence = body.splitlines()[1].removesuffix("text")
    assert set(fence) == {"`"}
    assert body.count(fence) == 2
    assert commands.command_lines(body) == ()
    assert comments.reported(MARK, body, status("segue/x")).count("segue/wine") == 1


def test_more_than_a_host_takes_is_cut_and_the_newest_stays():
    body = ""
    for number in range(6):
        body = comments.reported(MARK, body, status(f"segue/{number}", text="x" * 100_000))
        assert len(body) < 65_000
        assert f"segue/{number}" in body
    assert "cut" in body
    assert len(comments.said(MARK, "x" * 100_000)) < 65_000


def test_a_line_is_visible_and_short():
    assert comments.line("a\n b\x1b[2J", 100) == "a b\\x1b[2J"
    assert comments.line("x" * 300, 140) == "x" * 139 + "…"
