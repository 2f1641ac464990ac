"""Lock files say packages, versions and hashes, and nothing else."""

import pytest

from service.adapters.oci.locks import hashed, pins, written
from service.ports.outcomes import Refused

A, B = "a" * 64, "b" * 64
FILE = f"""\
# made by: uv pip compile --generate-hashes requirements.in
--require-hashes
Joblib==1.6.0 \\
    --hash=sha256:{B} \\
    --hash=sha256:{A}
    # via scikit-learn
scikit_learn[docs, tests]==1.7.2 ; python_version >= "3.11" and sys_platform == 'linux' --hash=sha256:{A}  # why
"""


def test_comments_continuations_extras_and_markers_are_read():
    joblib, learn = pins(FILE.encode(), "requirements.lock")
    assert (joblib.line, joblib.name) == ("joblib==1.6.0", "joblib")
    assert joblib.hashes == (f"sha256:{A}", f"sha256:{B}")
    assert learn.name == "scikit-learn"
    assert learn.line == (
        "scikit-learn[docs,tests]==1.7.2 ; python_version >= \"3.11\" and sys_platform == 'linux'"
    )


def test_line_ends_and_a_byte_order_mark_make_no_difference():
    assert pins(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode(), "x") == pins(FILE.encode(), "x")


def test_what_is_written_is_read_as_the_same():
    found = pins(FILE.encode(), "x")
    assert pins(written(found).encode(), "x") == found


def test_an_empty_file_has_no_pins_and_needs_no_hashes():
    assert pins(b"\n# nothing\n", "x") == ()
    assert hashed((), "x")


def test_a_hash_for_some_packages_only_is_refused_with_their_names():
    found = pins(f"a==1 --hash=sha256:{A}\nb==2\n".encode(), "requirements.lock")
    with pytest.raises(Refused, match=r"requirements.lock: no hash for b==2; make one with"):
        hashed(found, "requirements.lock")


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a>=1",
        "a==1.*",
        "a==1,<2",
        "a @ https://example.com/a.whl",
        "https://example.com/a.whl",
        "git+https://example.com/a.git",
        "./a.whl",
        "/etc/passwd",
        "-e .",
        "-r /etc/passwd",
        "-c other.txt",
        "--index-url https://example.com",
        "--extra-index-url=https://example.com",
        "--find-links .",
        "--trusted-host example.com",
        "a==1 --index-url https://example.com",
        "a==1 --config-settings x=y",
        'a==1 ; python_version > "3" --index-url https://example.com',
        'a==1 ; python_version > "3" \\\n  --find-links=/tmp',
        "a==1 --hash=md5:" + "0" * 32,
        "a==1 --hash=sha256:" + "0" * 63,
        "a==${SECRET}",
    ],
)
def test_anything_else_is_refused_with_its_line(line):
    with pytest.raises(Refused, match=r"requirements.lock, line 2: .* is not a pinned package"):
        pins(f"# first\n{line}\n".encode(), "requirements.lock")


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(Refused, match="not UTF-8"):
        pins(b"\xff\xfe", "requirements.lock")
