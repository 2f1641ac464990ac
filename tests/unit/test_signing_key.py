"""The key that images are signed with: made once, replaced without a gap, and never shown."""

import stat

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from policies.trust import SIMPLE, Signature, Trust, payload
from service import keys, signing_key
from service.adapters.memory.signatures import MemorySignatures
from service.cli import doctor
from service.cli.main import group
from service.engine import trusting
from service.errors import StartError
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from tests.answering import Server
from tests.signing import IMAGE

KEPT = trusting.Kept(Source("images", "registry", ""), "wine", "r.example/wine")


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", trust="ours", clusters_only=True)


def trusts(settings, key):
    """Whether an image with this key's signature may serve."""
    text, signatures = payload(KEPT.name, IMAGE), MemorySignatures()
    signatures.add(KEPT.repository, IMAGE, Signature(SIMPLE, text, keys.sign(key, text)))
    try:
        trusting.check(settings, signatures, KEPT, IMAGE)
    except Refused:
        return False
    return True


def test_it_is_made_once_readable_by_its_owner_alone(settings):
    first = signing_key.public(settings)
    assert signing_key.public(settings) == first
    path = settings.home / "secrets" / "signing-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.public(path.read_bytes()) == first


def test_what_replaced_keys_signed_stays_trusted_until_they_are_taken_out(settings):
    old = []
    for _ in range(3):
        signing_key.replace(settings)
        old.append(settings.secret("signing-key"))
    assert [trusts(settings, key) for key in old] == [True, True, True]
    assert not trusts(settings, keys.new())
    (settings.home / "secrets" / "signing-key-before").unlink()
    assert [trusts(settings, key) for key in old] == [False, False, True]


def test_a_key_that_cannot_be_used_is_not_replaced_by_guess(settings):
    signing_key.public(settings)
    (settings.home / "secrets" / "signing-key").write_bytes(b"garbage")
    for do in (signing_key.public, signing_key.replace):
        with pytest.raises(StartError, match="signing-key cannot be used"):
            do(settings)
    assert settings.secret("signing-key") == b"garbage"


def test_an_earlier_file_that_cannot_be_used_trusts_nothing(settings):
    signing_key.public(settings)
    (settings.home / "secrets" / "signing-key-before").write_bytes(b"garbage")
    with pytest.raises(Refused, match="signing-key-before"):
        trusting.keys_of(settings, Trust.OURS)


def test_the_command_shows_the_public_half_alone(settings, monkeypatch):
    monkeypatch.setenv("SEGUE_HOME", str(settings.home))
    shown = CliRunner().invoke(group, ["signing-key"])
    assert shown.exit_code == 0
    assert len(keys.trusted(shown.output.encode())) == 1
    assert CliRunner().invoke(group, ["signing-key"]).output == shown.output
    replaced = CliRunner().invoke(group, ["signing-key", "--replace", "--json"])
    assert "PRIVATE" not in replaced.output
    assert shown.output.strip().splitlines()[1] not in replaced.output


# --- the doctor ------------------------------------------------------------------------------


def finding(settings):
    found = [one for one in doctor.examine(settings) if one.check == "trust"]
    return found[0] if found else None


def test_the_doctor_says_nothing_where_nothing_is_wanted_and_what_is_missing_where_it_is(settings, tmp_path):
    assert finding(Settings(home=tmp_path, clusters_only=True)) is None
    assert finding(settings).detail.endswith("make one: segue signing-key")
    signing_key.public(settings)
    assert finding(settings).ok
    name = keys.name(*keys.trusted(signing_key.public(settings)))
    assert finding(settings).detail == f"SEGUE_TRUST=ours; ours: {name}"


def test_the_doctor_says_how_long_a_trusted_key_of_rsa_is(tmp_path):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    others = rsa.generate_private_key(65537, 2048).public_key()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "trusted-keys").write_bytes(others.public_bytes(serialization.Encoding.PEM, form))
    found = finding(Settings(home=tmp_path, trust="keys", clusters_only=True))
    assert found.ok
    assert found.detail.endswith("(RSA of 2048 bits)")


def test_the_doctor_says_that_no_key_signs_the_checkpoints_that_are_to_be_kept(tmp_path):
    settings = Settings(home=tmp_path, clusters_only=True, checkpoints=("/mnt/audit",))
    missing = [one for one in doctor.examine(settings) if one.check == "checkpoints"]
    assert [(one.ok, one.mend) for one in missing] == [(False, "segue signing-key")]
    signing_key.public(settings)
    kept = [one for one in doctor.examine(settings) if one.check == "checkpoints"]
    assert [(one.ok, one.detail) for one in kept] == [(True, "are kept at /mnt/audit")]
    unasked = doctor.examine(Settings(home=tmp_path, clusters_only=True))
    assert "checkpoints" not in [one.check for one in unasked]


def test_the_doctor_asks_the_registry_that_signatures_go_to(settings):
    signing_key.public(settings)
    with Server() as server:
        asked = Settings(home=settings.home, clusters_only=True, images=f"{server.url}/models")
        assert finding(asked).ok
    assert not finding(asked).ok
    assert "cannot be reached" in finding(asked).detail
