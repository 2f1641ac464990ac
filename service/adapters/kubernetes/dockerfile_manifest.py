"""A build from a Dockerfile as the `batch/v1` Job that runs it: a pure function to plain dictionaries.

Three containers, one after the other: Segue lays out the code, Buildah builds, Segue publishes. Only the
second runs a stranger's code, and only it may make user namespaces, which the `baseline` pod security
standard forbids. No login that can push is mounted there.
https://github.com/containers/buildah/blob/main/docs/tutorials/05-openshift-rootless-build.md
"""

from dataclasses import dataclass
from typing import Any

from service.adapters.kubernetes import build_manifest, job_manifest
from service.adapters.kubernetes.build_manifest import HOME
from service.adapters.oci.around_buildah import CONTEXT, IMAGE, LOGINS, SCRAPS
from service.adapters.oci.build_away import AUTHORITIES, Order
from service.ports.builds import Recipe
from service.ports.jobs import Limits
from service.settings import Settings

Object = dict[str, Any]

PREPARE, BUILD = "prepare", "build"
CONTAINERS = (PREPARE, BUILD, job_manifest.CONTAINER)
LIMITS = Limits(cpu=1.0, memory=4 << 30, seconds=3600.0)
STORAGE = 20 << 30  # bytes of disk: code, bases, layers, and the image once more, compressed
PLACE = "/home/build"  # a volume that the three share; Buildah has its storage there, too
_SECRETS = "/run/segue-secrets"
_TRUSTED = "/run/segue-authorities"
_USER = 1000  # who has subordinate ids in the images that Buildah's own project makes
_READABLE = 0o444  # by its pod's one user
_STEP = ("python3", "-m", "service.adapters.oci.around_buildah")


@dataclass(frozen=True, slots=True)
class Given:
    """What a build is given beside its order: when the commit was made (seconds), the architecture as
    Go and Kubernetes call it, and variables for proxies without logins."""

    made: int
    architecture: str
    proxies: tuple[tuple[str, str], ...] = ()


def manifest(settings: Settings, order: Order, given: Given, owner: str, limits: Limits) -> Object:
    """The whole Job."""
    body = build_manifest.plain(settings, order, (), (*_STEP, "publish", PLACE), owner, limits)
    pod = body["spec"]["template"]["spec"]
    (publish,) = pod["containers"]
    for amounts in publish["resources"].values():
        amounts["ephemeral-storage"] = str(STORAGE)
    prepare = {**publish, "name": PREPARE, "command": [*_STEP, "prepare", PLACE]}
    build = _build(settings, order.recipe, given, publish["resources"])
    _mount(publish, "home", HOME)
    _mount(publish, "work", PLACE, read_only=True)
    _mount(prepare, "home", HOME)
    _mount(prepare, "work", PLACE)
    pod["volumes"] += [{"name": "home", "emptyDir": {}}, {"name": "work", "emptyDir": {}}]
    if settings.builder_secret:
        pod["volumes"] += _secrets(settings.builder_secret, settings.build_secrets)
        _mount(publish, "login", f"{HOME}/secrets")
        _mount(prepare, "logins", f"{HOME}/secrets")
    pod["initContainers"] = [prepare, build]
    pod["nodeSelector"] = {"kubernetes.io/arch": given.architecture}
    # One user for all: what Buildah's root writes is that user's outside of its namespace. No group of the
    # volumes': folders that hand it on would do so in the image's layers.
    del pod["securityContext"]["fsGroup"], pod["securityContext"]["fsGroupChangePolicy"]
    pod["securityContext"] |= {"runAsUser": _USER, "runAsGroup": _USER}
    return body


def command(recipe: Recipe, given: Given, secrets: tuple[str, ...]) -> list[str]:
    """Buildah's words. Each stands for itself: no shell reads them, and no secret is among them."""
    labels = [f"{name}={value}" for name, value in recipe.labels]
    return [
        *("buildah", "build", "--format", "oci", "--layers", "--disable-compression=false", "--pull-always"),
        *("--platform", f"linux/{given.architecture}", "--timestamp", str(given.made)),
        *("--build-arg", f"SOURCE_DATE_EPOCH={given.made}", "--authfile", f"{PLACE}/{LOGINS}"),
        *(word for name in secrets for word in ("--secret", f"id={name},src={_SECRETS}/{name}")),
        *(word for label in labels for word in ("--label", label, "--annotation", label)),
        *("--file", f"{PLACE}/{CONTEXT}/{recipe.dockerfile}", "--tag", f"oci:{PLACE}/{IMAGE}:built"),
        f"{PLACE}/{CONTEXT}",
    ]


def _build(settings: Settings, recipe: Recipe, given: Given, resources: Object) -> Object:
    """The container with a stranger's code in it."""
    env = {
        "HOME": PLACE,
        "TMPDIR": f"{PLACE}/{SCRAPS}",
        "BUILDAH_ISOLATION": "chroot",  # no container within the container: it would need more rights
        "STORAGE_DRIVER": "overlay",
        **dict(given.proxies),
    }
    if settings.builder_secret:
        # They count beside the image's own: https://pkg.go.dev/crypto/x509#SystemCertPool. Without the key
        # there is no such file, and the image's own are all. The Dockerfile's steps do not see the variable.
        env["SSL_CERT_FILE"] = f"{_TRUSTED}/{AUTHORITIES}"
    words = command(recipe, given, settings.build_secrets)
    build: Object = {
        "name": BUILD,
        "image": settings.buildah_image or "",
        "imagePullPolicy": "IfNotPresent",
        "command": [job_manifest.literal(word) for word in words],
        "env": [{"name": name, "value": job_manifest.literal(value)} for name, value in sorted(env.items())],
        "resources": resources,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            # newuidmap has rights of its own, by which the build's root is mapped to nobody on the node.
            "allowPrivilegeEscalation": True,
            "capabilities": {"drop": ["ALL"], "add": ["SETGID", "SETUID"]},
            # The runtime's own profiles forbid namespaces and mounts, also within a user namespace.
            "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"},
        },
        "volumeMounts": [],
    }
    _mount(build, "work", PLACE)
    if settings.builder_secret:
        _mount(build, "authorities", _TRUSTED)
    if settings.build_secrets:
        _mount(build, "build-secrets", _SECRETS)
    return build


def _secrets(name: str, for_build: tuple[str, ...]) -> list[Object]:
    """Of the Secret only what each container needs. A login that is not in it is not needed; what the
    operator promised to Dockerfiles must be there."""
    found = [
        _volume("login", name, ("login-images", AUTHORITIES), optional=True),
        _volume("logins", name, ("login-images", LOGINS, AUTHORITIES), optional=True),
        _volume("authorities", name, (AUTHORITIES,), optional=True),
    ]
    return [*found, *([_volume("build-secrets", name, for_build, optional=False)] if for_build else [])]


def _volume(volume: str, name: str, keys: tuple[str, ...], *, optional: bool) -> Object:
    items = [{"key": key, "path": key} for key in keys]
    content = {"secretName": name, "items": items, "optional": optional, "defaultMode": _READABLE}
    return {"name": volume, "secret": content}


def _mount(container: Object, volume: str, path: str, *, read_only: bool = False) -> None:
    mount = {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}
    container["volumeMounts"] = [*container["volumeMounts"], mount]
