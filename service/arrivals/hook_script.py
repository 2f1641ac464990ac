"""The post-receive hook of a bare repository: a small program that tells Segue of a push.

It needs only Python's standard library, reads its secret from a file beside it, never fails the push
and never keeps it waiting for long: what it cannot deliver, a sweep will find.
"""

import os
import tempfile
from pathlib import Path

_SCRIPT = '''#!/usr/bin/env python3
"""Tells Segue of this push. Written by `segue connect git`; a sweep finds whatever this cannot tell."""
import base64, getpass, hashlib, hmac, json, os, sys, time, urllib.request, uuid

URL = {url!r}
SECRET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "segue.secret")


def tell(lines):
    changes = [dict(zip(("before", "after", "ref"), line.split(None, 2))) for line in lines if line.strip()]
    body = json.dumps({{"pusher": getpass.getuser(), "changes": changes}}).encode()
    with open(SECRET, "rb") as file:
        secret = file.read().strip()
    name, now = uuid.uuid4().hex, str(int(time.time()))
    message = f"{{name}}.{{now}}.".encode() + body
    signature = "v1," + base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
    headers = {{
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": now,
        "webhook-signature": signature,
    }}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    opener.open(urllib.request.Request(URL, body, headers), timeout=2).read(1000)


sys.stdin.reconfigure(errors="backslashreplace")  # a reference's name may be in any encoding
try:
    tell([line.rstrip("\\n") for line in sys.stdin])
except Exception as error:
    print(f"segue: not told of this push now ({{error}}); its sweep will find it", file=sys.stderr)
'''


def install(repository: Path, url: str, secret: bytes) -> Path:
    """Put the hook and its secret into a bare repository, as its owner's. Raises `FileExistsError`
    where another post-receive hook stands, which must then call ours, and `OSError` where it cannot."""
    hook = repository / "hooks" / "post-receive"
    if hook.parent.is_symlink():
        raise FileExistsError(f"{hook.parent} is a link, and may serve other repositories; make it a folder")
    if hook.is_symlink() or (hook.exists() and b"segue connect git" not in hook.read_bytes()):
        raise FileExistsError(f"{hook} exists already; let it run a hook of ours, or move it away")
    hook.parent.mkdir(exist_ok=True)
    owner = repository.stat()
    _place(hook.parent / "segue.secret", secret + b"\n", 0o600, owner)
    _place(hook, _SCRIPT.format(url=url).encode(), 0o755, owner)
    return hook


def tells(repository: Path, url: str) -> bool:
    """Whether our hook stands in the repository, and tells this address."""
    hook = repository / "hooks" / "post-receive"
    try:
        return hook.read_bytes() == _SCRIPT.format(url=url).encode()
    except OSError:
        return False


def _place(path: Path, content: bytes, mode: int, owner: os.stat_result) -> None:
    """Replace a file whole: a push never runs half a hook, and no link that lies there is followed."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".segue-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, mode)
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    Path(temporary).replace(path)
