"""Installs what Debian has of the servers that tests run beside Segue; without them their tests are skipped."""

import sys

from tests import servers

PACKAGES = servers.PACKAGES | {
    "redis-server": "redis-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
}
OF_THE_WHOLE = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
}

if __name__ == "__main__":
    servers.install(PACKAGES | (OF_THE_WHOLE if "whole" in sys.argv else {}))
