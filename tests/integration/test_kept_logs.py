"""What builds and evaluations print is kept while they run, once each, on both databases."""

import pytest

from service.adapters import log_file
from service.ports.printing import Printed
from service.store import kept_logs
from service.store.kept_logs import Tail


class File:
    """A runner whose only run prints to a file."""

    def __init__(self, path):
        self.path = path
        path.touch()

    def prints(self, content):
        with self.path.open("ab") as file:
            file.write(content)

    def read_on(self, name, mark):
        assert name == "job"
        return log_file.read_on(self.path, mark)


@pytest.fixture
def run(tmp_path):
    return File(tmp_path / "log")


def kept(store, run, begin=0):
    kept_logs.keep(store, "build/job", run, "job")
    return kept_logs.tail(store, "build/job", begin)


def test_a_run_that_prints_nothing_has_nothing_kept(store, run):
    assert kept(store, run) is None


def test_each_piece_is_kept_behind_the_one_before(store, run):
    run.prints(b"one\n")
    assert kept(store, run) == Tail("one\n", 4)
    run.prints("zwölf\n".encode())
    assert kept(store, run) == Tail("one\nzwölf\n", 10)
    assert kept(store, run, 4) == Tail("zwölf\n", 10)
    assert kept(store, run, 5) == Tail("wölf\n", 10)
    assert kept(store, run, 10) == Tail("", 10)


def test_half_a_character_waits_for_its_other_half(store, run):
    run.prints("zwö".encode()[:-1])
    assert kept(store, run) == Tail("zw", 2)
    run.prints("ö".encode()[1:])
    assert kept(store, run) == Tail("zwö", 3)


def test_bytes_that_no_text_holds_are_kept_as_signs_for_them(store, run):
    run.prints(b"a\0b\xffc\n")
    assert kept(store, run).text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\n"


def test_a_log_that_was_emptied_goes_on_and_says_what_is_missing(store, run):
    run.prints(b"first words\n")
    kept(store, run)
    run.path.write_bytes(b"last\n")
    text = kept(store, run).text
    assert text.startswith("first words\n[")
    assert text.endswith("]\nlast\n")


def test_two_who_keep_at_once_keep_it_once(store):
    class Rival:
        """Somebody else keeps what is read here before this reader does."""

        def read_on(self, name, mark):
            if not mark:
                kept_logs._add(store, "build/job", 0, Printed("one\n", "4"))
                return Printed("one\n", "4")
            return Printed("", mark)

    assert kept(store, Rival()) == Tail("one\n", 4)


def test_of_a_run_that_prints_without_end_the_newest_is_kept(store, run, monkeypatch):
    monkeypatch.setattr(kept_logs, "MOST", 10)
    for word in (b"aaaa\n", b"bbbb\n", b"cccc\n"):
        run.prints(word)
        found = kept(store, run)
    assert found == Tail("bbbb\ncccc\n", 15)


def test_what_is_old_is_forgotten(store, run, clock):
    run.prints(b"one\n")
    kept(store, run)
    kept_logs.forget(store, clock.now)
    assert kept_logs.tail(store, "build/job") is not None
    kept_logs.forget(store, clock.now + 1)
    assert kept_logs.tail(store, "build/job") is None
