"""What a commit declares, where its names are strange."""

import pytest

from service import planning
from service.adapters.memory.git import MemoryGit
from service.ports import Refused

BYTES = "caf\udce9"  # a name that is not UTF-8, as Git hosts tell it


def test_a_folder_whose_name_is_no_text_declares_nothing_and_is_refused_by_name():
    host = MemoryGit()
    for folder in (BYTES, "new\nline", "\x1b[2J"):
        commit = host.commit({f"{folder}/segue.yaml": b"name: wine\n"}, ref=f"refs/heads/{len(folder)}")
        with pytest.raises(Refused, match="rename it") as refusal:
            planning.declared(host, commit, host.tree(commit))
        str(refusal.value).encode("ascii")


def test_files_with_any_name_count_in_a_trees_digest():
    host = MemoryGit()
    digests = {
        planning.tree_digest(host.tree(host.commit({f"m/{BYTES}": content})), "m") for content in (b"1", b"2")
    }
    assert len(digests) == 2
