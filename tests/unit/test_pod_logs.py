"""What pods print is read on from where the reader stopped: every whole line once, whatever else comes."""

import pytest

from service.adapters.kubernetes.pod_logs import read_on
from service.ports.printing import Printed


class Pods:
    """Containers that print, asked as the kubelet is: by the second."""

    def __init__(self):
        self.lines, self.asked = {}, []

    def prints(self, pod, container, *lines):
        self.lines.setdefault((pod, container), []).extend(lines)

    def __call__(self, pod, container, since):
        self.asked.append((pod, container, since))
        lines = self.lines.get((pod, container), [])
        return "".join(line for line in lines if line[:19] >= since[:19])


T1, T2, T3 = (f"2026-01-02T03:04:05.{part}Z" for part in ("000000001", "1", "100000001"))


def test_lines_of_one_second_come_once_each():
    pods = Pods()
    pods.prints("p", "c", f"{T1} one\n", f"{T2} two\n")
    first = read_on(["p"], ["c"], "", pods)
    assert first == Printed("one\ntwo\n", f"p c {T2}")
    pods.prints("p", "c", f"{T3} three\n")
    assert read_on(["p"], ["c"], first.mark, pods) == Printed("three\n", f"p c {T3}")
    assert pods.asked[-1] == ("p", "c", T2)


def test_nothing_new_keeps_the_mark():
    pods = Pods()
    pods.prints("p", "c", f"{T1} one\n")
    assert read_on(["p"], ["c"], f"p c {T1}", pods) == Printed("", f"p c {T1}")
    assert read_on([], ["c"], f"p c {T1}", pods) == Printed("", f"p c {T1}")
    assert read_on(["p"], ["other"], "", pods) == Printed("", "")


def test_half_a_line_is_left_until_it_is_whole():
    pods = Pods()
    pods.prints("p", "c", f"{T1} one\n", f"{T2} tw")
    assert read_on(["p"], ["c"], "", pods) == Printed("one\n", f"p c {T1}")


def test_the_next_container_and_the_next_pod_follow_after_the_rest_of_the_one_before():
    pods = Pods()
    pods.prints("p", "fetch", f"{T1} a\n", f"{T2} b\n")
    pods.prints("p", "build", f"{T2} c\n")
    pods.prints("q", "fetch", f"{T1} d\n")
    found = read_on(["p", "q"], ["fetch", "build"], f"p fetch {T1}", pods)
    assert found == Printed("b\nc\nd\n", f"q fetch {T1}")


def test_a_pod_that_is_gone_leaves_what_comes_after_it():
    pods = Pods()
    pods.prints("q", "c", f"{T1} again\n")
    assert read_on(["q"], ["c"], f"p c {T3}", pods) == Printed("again\n", f"q c {T1}")


@pytest.mark.parametrize(
    ("since", "line"),
    [
        ("2026-01-02T03:04:05.9+02:00", "2026-01-02T03:04:06+02:00"),
        ("2026-01-02T03:04:05.09Z", "2026-01-02T03:04:05.1Z"),
    ],
)
def test_times_of_any_zone_and_length_are_compared_as_times(since, line):
    assert read_on(["p"], ["c"], f"p c {since}", lambda *_: f"{since} old\n{line} new\n").text == "new\n"


def test_separators_that_are_no_line_s_end_stay_in_their_line():
    assert read_on(["p"], ["c"], "", lambda *_: f"{T1} a\x0bb\u2028c\r\n").text == "a\x0bb\u2028c\r\n"
