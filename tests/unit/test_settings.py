"""Settings come from the environment once, and go to a child process as they are."""

from dataclasses import fields
from pathlib import Path

import pytest

from service.setting_values import SettingsError
from service.settings import Settings, environ_of, read

OTHER = Settings(
    home=Path("/srv/segue"),
    database="postgresql://segue@/segue",
    broker="redis://localhost",
    host="0.0.0.0",  # noqa: S104
    intake_port=1,
    web_port=2,
    router_port=3,
    scrape_seconds=0.5,
    sweep_seconds=7.0,
    body_bytes=99,
    keep_days=3.5,
    logs="stdout",
    allow_unsigned=True,
    images="https://registry.example/models",
    base="https://registry.example/python@sha256:0",
    builder="here",
    builder_image="registry.example/segue@sha256:0",
    builder_secret="segue-files",
    builder_pull_secrets=("registry", "mirror.example"),
    dockerfiles="builds",
    buildah_image="registry.example/buildah@sha256:0",
    build_secrets=("pip.conf", "netrc"),
    git_roots=(Path("/srv/git"), Path("/home/git")),
    trust="ghcr.io/acme/*=keys,ours",
    clusters_only=True,
    probe_port=8472,
    intake_url="https://hooks.example",
    web_url="https://segue.example",
    most_per_model=2,
    most_per_cluster=10,
    checkpoints=("/mnt/audit", "https://files.example/segue", "audit:main:segue/prod"),
    checkpoint_seconds=60.0,
    openlineage="https://marquez.example/api/v1/lineage",
    calendars=(("holidays", "https://calendar.example/holidays.ics"), ("ops", "")),
    freeze=("Fri 16:00 - Mon 08:00 Europe/Berlin", "2026-12-20 - 2027-01-02"),
    version_notes="tags",
    oidc_issuer="https://login.example/realms/ml",
    oidc_client="segue",
    oidc_scopes="openid email",
    oidc_name="email",
    oidc_groups="roles",
    proxies=("10.0.0.0/8", "::1"),
    segments=(("country", "X-Country"), ("tier", "X-Tier")),
)


def test_a_child_process_reads_the_same_settings_whatever_they_are():
    default = Settings(home=Path("/srv/segue"))
    assert read(environ_of(default)) == default
    assert read(environ_of(OTHER)) == OTHER
    same = [
        field.name for field in fields(Settings) if getattr(default, field.name) == getattr(OTHER, field.name)
    ]
    assert same == ["home"], "each setting must differ here, or it is not tested"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many", "1e9"])
def test_days_that_are_no_days_are_refused_with_the_name_of_the_setting(text):
    with pytest.raises(SettingsError, match="SEGUE_KEEP_DAYS is"):
        read({"SEGUE_KEEP_DAYS": text})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("SEGUE_SEGMENTS", "country", "country=X-Country"),
        ("SEGUE_OPENLINEAGE", "marquez", "https://marquez.example"),
        ("SEGUE_OPENLINEAGE", "https://u:secret@marquez.example", "login-openlineage"),
        ("SEGUE_OPENLINEAGE", "https://marquez.example?api_key=secret", "login-openlineage"),
        ("SEGUE_CHECKPOINTS", "audit", "folders as /mnt/audit"),
        ("SEGUE_CHECKPOINTS", "audit:main", "folders as /mnt/audit"),
        ("SEGUE_CHECKPOINTS", "https://u:secret@files.example", "login-archive"),
        ("SEGUE_CHECKPOINTS", "https://files.example?sig=secret", "login-archive"),
        ("SEGUE_OIDC_ISSUER", "login.example", "https://login.example/realms/ml"),
        ("SEGUE_OIDC_ISSUER", "https://login.example", "need each other"),
        ("SEGUE_OIDC_CLIENT", "segue", "need each other"),
        ("SEGUE_OIDC_SCOPES", "email", "openid in it"),
        ("SEGUE_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
        ("SEGUE_CALENDARS", "ops=http://calendar.example/ops.ics", "does not begin with https://"),
        ("SEGUE_CALENDARS", "ops=https://ann:secret@calendar.example/ops.ics", "calendar-ops"),
        ("SEGUE_CALENDARS", "https://calendar.example/ops.ics", "a name of its own"),
        ("SEGUE_CALENDARS", "ops; ops", "a name of its own"),
        ("SEGUE_SEGMENTS", "country=X-A,country=X-B", "twice"),
        ("SEGUE_SEGMENTS", "code=X-Code", "counts by that already"),
        ("SEGUE_INTAKE_PORT", "65536", "from 0 to 65535"),
        ("SEGUE_WEB_PORT", "-1", "whole number"),
        ("SEGUE_ROUTER_PORT", "9" * 5000, "whole number"),
        ("SEGUE_BODY_BYTES", "0", "from 1 to"),
        ("SEGUE_ALLOW_UNSIGNED", "maybe", "yes or no"),
        ("SEGUE_VERSION_NOTES", "some", "one of: all, tags, none"),
        ("SEGUE_LOGS", "journal", "one of: files, stdout"),
        ("SEGUE_TRUST", "on", "off, ours, keys"),
        ("SEGUE_TRUST", "ghcr.io/*=keys", "one for all others at the end"),
        ("SEGUE_GIT_ROOTS", "/srv/git:git", "whole path such as /"),
        ("SEGUE_DATABASE", "mysql://u:secret@db/x", "postgresql://"),
        ("SEGUE_DATABASE", "postgresql://u:secret@db/x?sslmode=require", "write verify-full"),
        ("SEGUE_BROKER", "localhost", "redis://"),
        (
            "SEGUE_BROKER",
            "amqps://u:secret@mq//?ssl_ca_cert=/x",
            "ssl_ca_cert is not known; known: ssl_ca_certs",
        ),
        ("SEGUE_BROKER", "rediss://:secret@r/0?ssl_cert_reqs=optional", "required or none"),
        ("SEGUE_IMAGES", "ftp://u:secret@host", "https://"),
        ("SEGUE_BUILD_SECRETS", "pip.conf,a b", "keys of a Secret"),
        ("SEGUE_BUILDER_PULL_SECRETS", "registry,Mirror", "names of Secrets"),
        ("SEGUE_BUILD_SECRETS", "pip.conf,signing-key", "no Dockerfile may ever read"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_name_and_what_to_write(name, text, said):
    with pytest.raises(SettingsError, match=f"^{name} .*{said}") as refused:
        read({name: text})
    assert "secret" not in str(refused.value), "an address may hold a password"


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("SEGUE_BUILDER", "SEGUE_BUILDER_IMAGE"),
        ("SEGUE_BUILDER", "SEGUE_IMAGES"),
        ("SEGUE_BUILDER", "SEGUE_BASE"),
        ("SEGUE_DOCKERFILES", "SEGUE_BUILDAH_IMAGE"),
        ("SEGUE_DOCKERFILES", "SEGUE_BUILDER_IMAGE"),
        ("SEGUE_DOCKERFILES", "SEGUE_IMAGES"),
        ("SEGUE_BUILD_SECRETS", "SEGUE_BUILDER_SECRET"),
    ],
)
def test_builds_in_a_cluster_need_their_images_a_registry_and_a_base(name, missing):
    others = {"SEGUE_BUILDER", "SEGUE_DOCKERFILES", "SEGUE_BUILD_SECRETS"} - {name}
    told = {key: value for key, value in environ_of(OTHER).items() if key not in {missing, *others}}
    with pytest.raises(SettingsError, match=f"{name} needs {missing}, too"):
        read(told)


def test_an_empty_value_is_the_same_as_none():
    assert read(dict.fromkeys(environ_of(OTHER), "")) == read({})


def test_of_a_secret_that_is_being_changed_the_present_one_comes_first_and_the_old_ones_are_live(tmp_path):
    settings = Settings(home=tmp_path)
    assert settings.live("hook-git") == ()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "hook-git").write_text("the new one\n\n  old\n")
    assert settings.live("hook-git") == (b"the new one", b"old")


def test_a_provider_elsewhere_needs_https():
    told = {"SEGUE_OIDC_ISSUER": "http://login.example", "SEGUE_OIDC_CLIENT": "segue"}
    with pytest.raises(SettingsError, match="must begin with https://"):
        read(told)
    here = read({**told, "SEGUE_OIDC_ISSUER": "http://127.0.0.1:3000/"})
    assert here.oidc_issuer == "http://127.0.0.1:3000"
