"""What the pages tell people to type exists: `segue` commands, `make` targets; decisions stay short."""

import re
import shlex

import click
import pytest

from service.cli import checking
from service.cli.main import PLACES, group
from tests.docs.pages import PAGES, ROOT, blocks, name, text

TYPED = sorted(
    {
        (name(page), line)
        for page in PAGES
        for words, body in blocks(page.relative_to(ROOT), "")
        for line in body.splitlines()
        if not words and re.match(r"(?:\S+=\S+ |@reboot )*(?:\S*/)?segue ", line)
    }
)
NAMED = sorted(
    {
        (name(page), word)
        for page in PAGES
        for word in re.findall(r"`segue ([a-z]+(?:-[a-z]+)*)", page.read_text())
    }
)


def parse(line):
    """Let click take the command's words apart, without running it. Raises `UsageError`."""
    words = shlex.split(line, comments=True)
    words = words[
        next(at for at, word in enumerate(words) if re.fullmatch("(ExecStart=)?([^=]*/)?segue", word)) + 1 :
    ]
    words = words[: words.index(">>")] if ">>" in words else words
    command = group.get_command(click.Context(group), words[0])
    assert command is not None, words[0]
    command.make_context(words[0], words[1:])


@pytest.mark.parametrize(("page", "line"), TYPED)
def test_each_command_that_is_shown_can_be_typed(page, line):
    parse(line)


@pytest.mark.parametrize(("page", "command"), NAMED)
def test_each_command_that_is_named_exists(page, command):
    assert command in PLACES


def test_a_command_that_cannot_be_typed_would_be_found():
    with pytest.raises(click.UsageError):
        parse("segue up --nothing")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/decisions/*.md")), ids=name)
def test_a_decision_is_one_short_page(page):
    lines = page.read_text().splitlines()
    assert len(lines) <= 30
    assert lines[0].startswith("# ")


def test_the_readme_opens_with_the_two_commands():
    (_, first), *_ = blocks("README.md", "")
    assert re.findall(r"^make \w+", first, re.MULTILINE) == ["make demo", "make test"]


@pytest.mark.parametrize(
    ("page", "written"),
    [
        ("docs/quickstart.md", checking.BUILD.format(name="wine")),
        ("docs/how-to/mlflow.md", checking.REGISTERED.format(name="churn", person="ann")),
    ],
)
def test_a_page_shows_what_init_writes(page, written):
    assert written in [body for _, body in blocks(page, "yaml")]
