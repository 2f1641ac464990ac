"""Bytes in, a tree with places out: nothing in a file can make the reader fail, hang or construct."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from policies.spec.node import Mapping, Scalar
from service.mistakes_shown import as_json, as_text
from service.segue_yaml import LARGEST, Mistaken, check, load, read

GOOD = b"name: wine\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py}\n"


def message(data):
    mistake = check(data, "").mistakes[0]
    return f"{mistake.line}:{mistake.column} {mistake.path}: {mistake.message}"


def test_scalars_stay_the_text_that_was_written():
    root, mistakes = read(b"on: off\nyes: 1e3\n'no': 012\n? x\n: 2020-01-01\n")
    assert not mistakes
    assert isinstance(root, Mapping)
    assert root.names == ("on", "yes", "no", "x")
    assert [v.text for _, v in root.entries if isinstance(v, Scalar)] == ["off", "1e3", "012", "2020-01-01"]


def test_a_file_that_is_no_yaml_is_told_with_its_place():
    told = {
        name: message(data)
        for name, data in {
            "open bracket": b"name: [a\n",
            "tab": b"name: wine\n\tserve: none\n",
            "two documents": GOOD + b"---\n" + GOOD,
            "second key": GOOD + b"name: other\n",
            "tag": b"name: !!python/object:os.system x\n" + GOOD[11:],
            "local tag": b"name: !secret x\n" + GOOD[11:],
            "unknown alias": b"name: *wine\n",
            "alias of itself": b"name: &a [*a]\n",
            "list as a key": b"[a, b]: c\n",
            "not utf-8": b"name: \xff\xfe\n",
            "control character": b'name: "a\\x1b[2Jb"\n' + GOOD[11:],
            "surrogate": b'name: "a\\ud800b"\n' + GOOD[11:],
            "no such character": b'name: "\\UFFFFFFFF"\n',
            "nul": b"name: a\x00b\n",
            "directive": b"%YAML 9.9\n---\nname: a\n",
        }.items()
    }
    assert told == snapshot(
        {
            "open bracket": "2:1 (file): this is not YAML: while parsing a flow sequence expected ',' or ']', but got '<stream end>'",
            "tab": "2:1 (file): this is not YAML: while scanning for the next token found character '\\t' that cannot start any token",
            "two documents": "4:1 (file): the file holds a second document (`---`); write one file each",
            "second key": "4:1 name: the key `name` stands here a second time (first in line 1)",
            "tag": "1:7 name: the tag `tag:yaml.org,2002:python/object:os.system` is not read; write the value plainly",
            "local tag": "1:7 name: the tag `!secret` is not read; write the value plainly",
            "unknown alias": "1:7 name: the alias `*wine` names nothing above it",
            "alias of itself": "1:11 name[0]: the alias `*a` names nothing above it",
            "list as a key": "1:1 (file): a key is a list or a mapping; keys are words",
            "not utf-8": "1:1 (file): the file is not UTF-8 text",
            "control character": "1:7 name: a text with a control character in it",
            "surrogate": "1:7 name: a text with a control character in it",
            "no such character": "0:0 (file): this is not YAML: Python int too large to convert to C int",
            "nul": "0:0 (file): this is not YAML: unacceptable character #x0000: special characters are not a…",
            "directive": "1:1 (file): this is not YAML: found incompatible YAML document (version 1.* is required)",
        }
    )


def test_large_deep_and_multiplying_files_are_refused_quickly():
    laughs = b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, after in ("ab", "bc", "cd", "de", "ef", "fg"):
        laughs += f"{after}: &{after} [{', '.join(['*' + before] * 9)}]\n".encode()
    told = [
        message(b"a" * (LARGEST + 1)),
        message(b"[" * 100_000),
        message(b"a: " + b"{a: " * 30 + b"}" * 30),
        message(laughs),
        message(b"a: &a x\nb: [" + b"*a, " * 200 + b"]\n"),
        message(b"a: [" + b"x, " * 20_000 + b"]\n"),
        message(b"name: " + b"x" * 30_000),
    ]
    assert told == snapshot(
        [
            "0:0 (file): the file has 262145 bytes; at most 262144 are read",
            "1:25 (file)[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested deeper than 24 levels",
            "1:96 a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: nested deeper than 24 levels",
            "5:4 e: more than 10000 values, with all aliases written out",
            "2:405 b[100]: more than 100 aliases; models share keys with `defaults:`",
            "1:30002 a[9999]: more than 10000 values, with all aliases written out",
            "1:7 name: a text of 30000 characters; at most 20000 are read",
        ]
    )


def test_numbers_that_are_none_are_refused():
    for text in (b".nan", b".inf", b"-.inf", b"1e999", b"0x10", b"1_000", "١".encode()):
        data = GOOD + b"resources: {cpu: " + text + b"}\n"
        assert check(data, "").mistakes[0].path == "resources.cpu"


def test_an_anchor_may_be_used_again_and_keeps_its_place():
    data = b"name: a\nmodel: models:/a@b\nserve: mlflow\nenvironments: {x: &x {dwel: 1m}, y: *x}\n"
    (mistake,) = check(data, "").mistakes
    assert (mistake.path, mistake.line) == ("environments.x", 4)


def test_a_byte_order_mark_is_no_mistake():
    assert load(b"\xef\xbb\xbf" + GOOD, "")[0].name == "wine"


def test_a_file_with_mistakes_raises_all_of_them():
    with pytest.raises(Mistaken) as caught:
        load(b"nam: wine\nbuild: {lock: a}\nserve: {}\n", "")
    assert len(caught.value.mistakes) == 3


def test_people_see_the_line_and_a_caret():
    data = b"name: wine\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py, prot: 8080}\nsticky: cokie\n"
    assert as_text(check(data, "").mistakes, data, "segue.yaml") == snapshot("""\
segue.yaml:3:31: serve: `prot` is not a key of `serve`; did you mean `port`?
    3 | serve: {run: python serve.py, prot: 8080}
      |                               ^

segue.yaml:4:9: sticky: `sticky: cokie` is not one of the allowed words; it wants `none`, `cookie` or `header`; did you mean `cookie`?
    4 | sticky: cokie
      |         ^

2 mistakes in segue.yaml
""")


def test_a_terminal_is_never_given_what_the_file_holds_unchanged():
    data = b"name: wine\nserv\x7fe: \xe2\x80\xaenone\xc2\x9b31m\n"
    text = as_text(check(data, "").mistakes, data, "segue.yaml")
    assert text.replace("\n", "").isprintable()


def test_programs_get_plain_values():
    mistakes = check(b"name: wine\nmodel: models:/wine@challenger\nserve: mlfow\n", "").mistakes
    assert json.loads(json.dumps(as_json(mistakes, "segue.yaml"))) == snapshot(
        [
            {
                "file": "segue.yaml",
                "path": "serve",
                "line": 3,
                "column": 8,
                "found": "mlfow",
                "allowed": ["mlflow", "none"],
                "nearest": "mlflow",
                "message": "`serve: mlfow` is not one of the allowed words; it wants `mlflow` or `none`; did you mean `mlflow`?",
            }
        ]
    )


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_give_models_or_mistakes(data):
    checked = check(data, "folder")
    assert bool(checked.models) != bool(checked.mistakes)
    assert all(mistake.path and mistake.message for mistake in checked.mistakes)
    assert as_text(checked.mistakes, data, "segue.yaml")


@given(st.lists(st.sampled_from(list("abc:,{}[]&*!|>'\"%@#-?\n \t0.~<")), max_size=80).map("".join))
def test_any_mixture_of_yaml_signs_gives_models_or_mistakes(text):
    checked = check(text.encode(), "folder")
    assert bool(checked.models) != bool(checked.mistakes)
