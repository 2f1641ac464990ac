"""What a pod does before its model starts: files of a bucket are copied and proved, or it ends with the reason."""

import hashlib
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from service.adapters.buckets.order import VARIABLE, listed, write_order
from service.adapters.buckets.signing import Login, login_of, request
from service.ports.outcomes import Refused

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
FILES = {"weights.bin": b"version 7" * 300_000, "a b/t+ö.txt": b"x"}


def sums(files):
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()


class Bucket(ThreadingHTTPServer):
    """A bucket that speaks HTTP: `files` by path, `failing` answers of 503 first; remembers who asked."""

    daemon_threads = True

    def __init__(self, files, host="127.0.0.1"):
        super().__init__((host, 0), Handler)
        self.files, self.failing, self.asked = dict(files), 0, []
        self.url = f"http://{host}:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self):
        self.shutdown()
        super().server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((unquote(self.path), self.headers.get("Authorization")))
        found = self.server.files.get(unquote(self.path))
        if self.server.failing > 0:
            self.server.failing -= 1
            self.send_error(503)
        elif found is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

    def log_message(self, *_):
        pass


@pytest.fixture
def bucket():
    files = {**FILES, "SHA256SUMS": sums(FILES)}
    with Bucket({f"/models/ranker/7/{name}": data for name, data in files.items()}) as server:
        yield server


def copied(bucket, path, scheme="s3", digest=None, **environ):
    """What the process says at its end; empty where it ended well."""
    url = f"{bucket.url if scheme == 'http' else f'{scheme}:/'}/models/ranker/7"
    order = write_order(url, digest or hashlib.sha256(sums(FILES)).hexdigest(), str(path))
    done = subprocess.run(
        [sys.executable, "-m", "service.adapters.buckets.copy"],
        env={VARIABLE: order, "AWS_ENDPOINT_URL": bucket.url, **environ},
        check=False,
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_all_files_are_copied_and_no_other(bucket, tmp_path, scheme):
    assert copied(bucket, tmp_path, scheme) == ""
    found = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == FILES


def test_a_bucket_with_keys_is_asked_with_a_signature_that_does_not_tell_them(bucket, tmp_path):
    assert copied(bucket, tmp_path, **KEYS) == ""
    assert all(said.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") for _, said in bucket.asked)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(bucket.asked)


def test_a_bucket_that_fails_for_a_moment_is_asked_again(bucket, tmp_path):
    bucket.failing = 1
    assert copied(bucket, tmp_path) == ""


def test_what_is_not_what_the_release_was_made_with_is_refused(bucket, tmp_path):
    list_, place = "SHA256SUMS", "s3://models/ranker/7"
    assert copied(bucket, tmp_path, digest="0" * 64) == (
        f"{list_} in {place} is not the one that the release was made with"
    )
    bucket.files["/models/ranker/7/weights.bin"] = b"version 8"
    assert copied(bucket, tmp_path) == f"weights.bin in {place} is not what {list_} says"
    assert not (tmp_path / "weights.bin").exists()
    del bucket.files["/models/ranker/7/weights.bin"]
    assert copied(bucket, tmp_path) == f"the bucket answers 404 for weights.bin in {place}"


@pytest.mark.parametrize(
    "line", ["", "x  a\n", f"{'0' * 64}  ../a\n", f"{'0' * 64}  /etc/x\n", f"\\{'0' * 64}  a\n"]
)
def test_a_list_of_sums_that_leaves_its_folder_or_is_none_is_refused(line):
    with pytest.raises(Refused):
        listed(line)


def test_the_lines_that_sha256sum_prints_are_read():
    assert listed(f"{'0' * 64}  ./a b\n{'1' * 64} *c/d\n") == {"a b": "0" * 64, "c/d": "1" * 64}


@pytest.mark.parametrize(
    ("token", "signature"),
    [
        ("", "a50af59153965fc09ee8be63d412888f8741a6448fbabda9572baa06cf62de4a"),
        ("TOKEN", "cc4bbcff59653f9711438ab9f32a93b1238267d463dc1b05e48ff4e21b2f2fc7"),
    ],
)
def test_a_signature_is_the_one_that_aws_s_own_library_makes(token, signature):
    """botocore 1.44.8's, for the same request at the same moment."""
    login = login_of({**KEYS, "AWS_SESSION_TOKEN": token, "AWS_REGION": "eu-west-1"})
    url, headers = request("s3://acme-models/ranker/7", "a b/t+ö(1).bin", login, NOON)
    assert url == "https://s3.eu-west-1.amazonaws.com/acme-models/ranker/7/a%20b/t%2B%C3%B6%281%29.bin"
    assert headers["Authorization"].rpartition("Signature=")[2] == signature


def test_without_keys_and_for_another_address_nothing_is_signed():
    assert request("s3://a/b", "c", login_of({}), NOON)[1] == {}
    keys = Login("K", "S", "", "r", "https://e.example")
    assert request("https://x.example/m", "a b", keys, NOON) == ("https://x.example/m/a%20b", {})
