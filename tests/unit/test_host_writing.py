"""How often a Git host is asked for the tip of a branch that versions are committed to."""

from service.adapters.hosts.writing import FRESH, HostWriter
from service.ports.connections import Source


class Host:
    """A host whose branch others may move, and which counts how often it is asked."""

    def __init__(self):
        self.branch, self.asked, self.moved = "1" * 40, 0, []

    def refs(self):
        self.asked += 1
        return {"refs/heads/main": self.branch}

    def file(self, commit, path):
        return None

    def push(self, branch, tip, made):
        self.moved.append(tip)
        if tip != self.branch:
            return None
        self.branch = "3" * 40
        return self.branch


def opened():
    host, now = Host(), [0.0]
    return HostWriter(Source("m", "gitea", "https://git.example/a/b"), host, lambda: now[0]), host, now


def test_looks_that_follow_each_other_share_one_answer_for_a_moment():
    writer, host, now = opened()
    assert writer.tip("main") == writer.tip("main") == "1" * 40
    assert host.asked == 1
    host.branch, now[0] = "2" * 40, FRESH
    assert writer.tip("main") == "2" * 40


def test_a_commit_stands_on_what_the_host_has_now_and_is_seen_at_once():
    writer, host, _ = opened()
    writer.tip("main")
    host.branch = "2" * 40
    assert writer.write("main", {"a.yaml": b"a"}, "a") == "3" * 40
    assert host.moved == ["2" * 40]
    assert writer.tip("main") == "3" * 40
