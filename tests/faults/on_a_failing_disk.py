"""The process in test_failing_disk.py whose disk fails: intake, with a fork for each failure.

Each fork takes deliveries until its disk has failed, or so many were taken, and prints a line of JSON: which
ones it acknowledged, and what the disk did. It is killed where the failure is a death; what it had
acknowledged until then stands in a pipe.
"""

import ctypes
import json
import os
import sys
import threading
from pathlib import Path

from service.intake import Door, create_intake
from service.settings import Settings
from service.store import database
from service.store.inbox import INBOX, Inbox
from tests.faults import planted

MOST = 60
AT_ONCE = 4  # senders
disk = ctypes.CDLL(None)


def take(folder, what, nth, error, fault, told):
    """Deliveries from several senders at once; every 202 is written down at once."""
    if fault:
        getattr(planted, fault)(None)
    engine = database.open_database(f"sqlite:///{folder / 'inbox.db'}")
    with database.writing(engine) as connection:
        INBOX.create_all(connection)
    app = create_intake(
        Settings(home=folder, allow_unsigned=True), Inbox(engine), lambda _: Door("bare", ()), lambda _: None
    )
    disk.disk_arm(what, nth, error)

    def send(sender):
        client = app.test_client()
        for number in range(MOST // AT_ONCE):
            name = f"{sender}-{number}"
            answer = client.post("/hooks/git", data=name.encode(), headers={"webhook-id": name})
            assert answer.status_code in {202, 503}, answer.status_code
            if answer.status_code == 202:
                os.write(told, json.dumps([answer.json["delivery"], name]).encode() + b"\n")

    senders = [threading.Thread(target=send, args=(n,)) for n in range(AT_ONCE)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    facts = {"syncs": disk.disk_syncs(), "writes": disk.disk_writes(), "struck": disk.disk_struck()}
    os.write(told, json.dumps(facts).encode() + b"\n")


def main(root, fault, orders):
    """One fork for each order of (what, nth, error); its lines, and how it ended."""
    for number, (what, nth, error) in enumerate(orders):
        folder = Path(root) / str(number)
        folder.mkdir()
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            try:
                take(folder, what, nth, error, fault, writing)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            lines = [json.loads(line) for line in pipe]
        killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        facts = lines.pop() if lines and isinstance(lines[-1], dict) else {}
        print(
            json.dumps({"folder": str(folder), "killed": killed, "acknowledged": lines, **facts}), flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
