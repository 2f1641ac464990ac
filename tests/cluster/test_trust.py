"""A Deployment that is taken over as it is: the next image waits while it is not signed, and a signed one comes."""

import pytest

from policies import trust
from policies.trust import SIMPLE, Signature
from service import keys
from service.adapters.oci.signatures import OciSignatures
from service.ports.connections import Source
from service.settings import Settings
from tests.cluster.objects import deployment, http_route, service
from tests.cluster.whole import Control, eventually, tag

HOST = "sign-fraud.test"
FILE = """\
name: sign-fraud
image: {image}:main-*
deployment: {namespace}/fraud
route: {namespace}/fraud
strategy: bluegreen
warm_up: 0s
watch: 5s
"""


def signed(home, registry, reference, key):
    """Sign the image as CI would."""
    name, _, digest = reference.partition("@")
    source = Source("images", "registry", f"http://{registry}")
    text = trust.payload(name, digest)
    signature = Signature(SIMPLE, text, keys.sign(key, text))
    OciSignatures.open(Settings(home=home), source).add(name.partition("/")[2], digest, signature)


def checking(control, release):
    """Whether the release waits for its image to be trusted."""
    found = control.client.release(release)
    return (found["release"]["phase"], found["version"]["phase"]) == ("pending", "checking")


@pytest.mark.whole
def test_only_what_is_signed_takes_the_place_of_what_serves(
    login, kubectl, images, gateway, namespace, tmp_path
):
    key = keys.new()
    first = images.model("1", f"{namespace}/fraud")
    kubectl.apply(
        deployment(namespace, "fraud", first, replicas=1),
        service(namespace, "fraud"),
        http_route(namespace, "fraud", HOST, gateway.reference, {"fraud": 1}),
    )
    kubectl.rolled_out(namespace, "fraud")
    repository = tag(first, "main-1")
    control = Control(tmp_path, login, namespace, images, gateway, SEGUE_TRUST=f"{repository}=keys,off")
    with control:
        secrets = control.settings.home / "secrets"
        (secrets / "trusted-keys").write_bytes(keys.public(key))
        control.say("connect", "registry", f"http://{images.registry}")
        control.declare(FILE.format(image=repository, namespace=namespace))
        eventually(lambda: control.client.models().page().rows, "the model is not declared")

        tag(images.model("2", f"{namespace}/fraud"), "main-2")
        unsigned = control.next_release("sign-fraud")
        eventually(lambda: checking(control, unsigned), "its image is not looked at")

        third = images.model("3", f"{namespace}/fraud")
        signed(tmp_path, images.registry, third, key)
        tag(third, "main-3")
        good = control.outcome(control.next_release("sign-fraud", after=[unsigned]))
        assert good["phase"] == "promoted", control.say("show", good["name"])
        assert third.endswith(good["image"])
        found = kubectl.get("deployments", "-n", namespace, "-l", "segue.dev/target=sign-fraud.production")
        (workload,) = found["items"]  # of the unsigned one there never was any
        assert workload["spec"]["template"]["spec"]["containers"][0]["image"] == third
        control.say("hand-back", "sign-fraud")
        eventually(
            lambda: control.target("sign-fraud/production")["stable"] is None, "it is not handed back", 120
        )
