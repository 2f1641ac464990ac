"""The reference of `segue.yaml` has every key as the parser has it, and every example is what it says."""

import pytest
import yaml

from policies.spec.kinds import Section
from policies.spec.mistakes import Findings
from policies.spec.node import from_plain
from policies.spec.reading import read_block
from policies.spec.support import EMBEDDED, REASONS
from service.segue_yaml import check
from tests.docs.pages import PAGES, ROOT, blocks, cells, name, section
from tests.docs.reference import HEADINGS, keys_in, row
from tests.docs.test_schema import read

PAGE = "docs/reference/segue-yaml.md"
SNIPPETS = [(path, words, body) for path in PAGES for words, body in blocks(path.relative_to(ROOT), "yaml")]


def rows_below(heading):
    lines = [line for line in section(PAGE, heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.replace("\\|", "¦").split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("part", Section, ids=str)
def test_each_key_is_there_with_type_default_and_meaning(part):
    assert [cells[:4] for cells in rows_below(HEADINGS[part])] == [row(key) for key in keys_in(part)]


@pytest.mark.parametrize("part", Section, ids=str)
def test_each_keys_example_can_be_read(part):
    for _, _, _, _, example in rows_below(HEADINGS[part]):
        findings = Findings()
        text = example.strip("`").replace("¦", "|")
        read_block(part, from_plain(read(text)), findings)
        assert [found.message for found in findings.sorted()] == [], text


def test_everything_that_is_refused_is_told_with_its_reason():
    reasons = {words[1] for words in cells(PAGE) if len(words) == 2}
    assert reasons - {"reason", "---", "starts"} >= {
        reason for word, reason in REASONS.items() if word not in EMBEDDED
    }
    assert not reasons & {reason for word, reason in REASONS.items() if word in EMBEDDED}


@pytest.mark.parametrize(("path", "words", "body"), SNIPPETS, ids=[name(path) for path, _, _ in SNIPPETS])
def test_each_segue_yaml_that_a_page_shows_is_fine_or_marked_as_refused(path, words, body):
    checked = check(body.encode(), "model", EMBEDDED)
    assert bool(checked.mistakes) == ("refused" in words), [found.message for found in checked.mistakes]
    assert yaml.safe_load(body)
