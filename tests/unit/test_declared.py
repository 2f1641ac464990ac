"""What a commit declares, where its names are strange."""

import pytest

from service.adapters.memory.git import MemoryGit
from service.engine import declaring, planning
from service.ports.connections import Source
from service.ports.outcomes import Refused

SOURCE = Source("models", "bare", "/srv/git/models.git")
BYTES = "caf\udce9"  # a name that is not UTF-8, as Git hosts tell it


def test_a_folder_whose_name_is_no_text_declares_nothing_and_is_refused_by_name():
    host = MemoryGit()
    for folder in (BYTES, "new\nline", "\x1b[2J"):
        commit = host.commit({f"{folder}/segue.yaml": b"name: wine\n"}, ref=f"refs/heads/{len(folder)}")
        with pytest.raises(Refused, match="rename it") as refusal:
            declaring.declared(host, SOURCE, (), commit, host.tree(commit), now=0.0)
        str(refusal.value).encode("ascii")


def test_files_with_any_name_count_in_a_trees_digest():
    host = MemoryGit()
    digests = {
        planning.tree_digest(host.tree(host.commit({f"m/{BYTES}": content})), "m") for content in (b"1", b"2")
    }
    assert len(digests) == 2


def test_a_name_is_declared_once():
    host = MemoryGit()
    text = b"name: wine\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py, port: 8080}\n"
    commit = host.commit({"a/segue.yaml": text, "b/segue.yaml": text})
    found = declaring.declared(host, SOURCE, (), commit, host.tree(commit), now=0.0)
    assert [model.folder for model in found.models] == ["a"]
    assert "`wine` is declared in a/segue.yaml" in found.broken[0].mistakes[0].message
