"""A caller inside the cluster, for tests: asks URL all the time, each time over a new connection.

Prints a line per request: when it was sent (seconds since 1970), who answered, how (0: nobody).
"""

import os
import time
import urllib.error
import urllib.request

while True:
    at = time.time()
    version, status = "-", 0
    try:
        with urllib.request.urlopen(os.environ["URL"], timeout=5) as answer:
            version, status = answer.headers["X-Version"], answer.status
    except urllib.error.HTTPError as refusal:
        version, status = refusal.headers["X-Version"] or "-", refusal.code
    except OSError:
        pass
    print(f"{at:.3f} {version} {status}", flush=True)
    time.sleep(0.05)
