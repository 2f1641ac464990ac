"""The files that the demo pushes: they must be fine before anybody waits for it."""

from pathlib import Path

import pytest

from policies.spec.support import EMBEDDED
from service.demo import acts
from service.segue_yaml import check

EXAMPLES = Path(__file__).parents[2] / "examples"


def text_of(path):
    return (EXAMPLES / path).read_text()


def test_the_examples_are_fine_with_and_without_the_demo_s_rules():
    for name in ("wine", "diabetes"):
        text = text_of(f"{name}/segue.yaml")
        for variant in (text, text + acts.DEMO_RULES):
            assert check(variant.encode(), name, EMBEDDED).mistakes == ()


def test_the_tagged_release_is_declared_without_a_mistake():
    text = (text_of("wine/segue.yaml") + acts.DEMO_RULES).replace(acts.LADDER, acts.BY_TAG)
    found = check(text.encode(), "wine", EMBEDDED)
    assert found.mistakes == ()
    assert found.models[0].triggers.tags == ("v*",)


@pytest.mark.parametrize(
    ("fault", "guards"), [(acts.FAULT_ABROAD, acts.BY_COUNTRY), (acts.FAULT_SLOW, acts.BY_TIME)]
)
def test_the_other_faults_are_python_and_what_looks_for_them_is_declared_without_a_mistake(fault, guards):
    faulty = text_of("wine/serve.py").replace(acts.BEFORE_FAULT, fault)
    compile(faulty, "serve.py", "exec")
    text = (text_of("wine/segue.yaml") + acts.DEMO_RULES).replace(acts.LADDER, acts.LADDER + guards)
    assert check(text.encode(), "wine", EMBEDDED | {"guards.segments"}).mistakes == ()


def test_the_faulty_server_is_python_and_fails_every_20th_request():
    text = text_of("wine/serve.py")
    assert text.count(acts.BEFORE_FAULT) == 1
    faulty = text.replace(acts.BEFORE_FAULT, acts.FAULT)
    compile(faulty, "serve.py", "exec")
    assert "% 20" in faulty
