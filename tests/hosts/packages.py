"""Installs what Debian has of the servers that tests run beside Segue; without them their tests are skipped."""

import sys

from tests import packages

PACKAGES = {
    "docker-registry": "docker-registry",
    "redis-server": "redis-server",
    "prometheus": "prometheus",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "/usr/lib/postgresql/*/bin/postgres": "postgresql",
}
OF_THE_WHOLE = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}

if __name__ == "__main__":
    try:
        packages.install(PACKAGES | (OF_THE_WHOLE if "whole" in sys.argv else {}))
    except RuntimeError as lacking:
        print(f"Some tests will be skipped; for all of them {lacking}.")
