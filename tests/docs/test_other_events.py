"""The script that a page offers signs as the handler expects."""

import os
import shutil
import subprocess
import time

import pytest

from handlers import hook
from tests.docs.pages import blocks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"model": "churn", "version": "7"}'


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the script needs openssl")
def test_the_script_without_a_library_signs_what_the_handler_verifies(tmp_path):
    script = next(body for _, body in blocks("docs/how-to/other-events.md", "") if "openssl" in body)
    told = tmp_path / "curl"
    told.write_text('#!/bin/sh\nfor one in "$@"; do printf "%s\\n" "$one"; done\n')
    told.chmod(0o755)
    variables = {"SECRET": SECRET, "BODY": BODY, "RUN": "7", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script], env=variables, capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    headers = dict(word.split(": ", 1) for word in words if word.startswith("webhook-"))
    assert words[words.index("--data-binary") + 1] == BODY
    hook.verify(headers, BODY.encode(), (SECRET.encode(),), time.time())
    assert hook.delivery_id(headers, b"") == "run-7"
