"""Installs what Debian has of the servers that `make test` runs beside Segue; without them their tests are skipped."""

from tests import packages

PACKAGES = {
    "docker-registry": "docker-registry",
    "prometheus": "prometheus",
    "/usr/lib/postgresql/*/bin/postgres": "postgresql",
}


def install(found: dict[str, str]) -> None:
    """Install them where that is possible; else say what is lacking."""
    try:
        packages.install(found)
    except RuntimeError as lacking:
        print(f"Some tests will be skipped; for all of them {lacking}.")


if __name__ == "__main__":
    install(PACKAGES)
