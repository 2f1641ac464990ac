"""`connect`, `disconnect`, `cluster`, `signing-key`: who may tell Segue something, where it acts, as whom."""

import os
from typing import Any

import click

from service import clusters, signing_key
from service.arrivals import asking_to_connect, disconnecting, receivers
from service.arrivals.asking_to_connect import KINDS, Asked, Misfit
from service.cli.context import as_json, chosen, console, print_json
from service.cli.storing import own_store
from service.machine import installation
from service.ports.connections import Cluster
from service.store.store import Store

# What the options are called that say what `asking_to_connect` knows by another name.
OPTIONS = {
    "organisation": "--organisation",
    "people": "--person",
    "turns": "--turn",
    "sender": "--from",
    "to": "--to",
}


@click.command()
@click.argument("kind", metavar="KIND", type=click.Choice(sorted(KINDS)))
@click.argument("url", required=False)
@click.option("--name", metavar="NAME", help="Its name in hook addresses. Default: the last part of URL.")
@click.option(
    "--owns",
    metavar="GLOB",
    multiple=True,
    help="Targets that it may own, or is told of, such as churn/* or just churn; may be given several times."
    " Default: all;"
    " of a chat or a receiver that is connected already, those of before.",
)
@click.option(
    "--organisation",
    is_flag=True,
    help="URL is an organisation's or a group's: all its repositories that hold a segue.yaml.",
)
@click.option(
    "--person",
    "people",
    metavar="ID=NAME",
    multiple=True,
    help="Who may command in a chat, as well as those of before: its id of the person, and the name here."
    " ID= takes somebody off. May be given several times.",
)
@click.option(
    "--turn",
    "turns",
    type=click.Choice(receivers.TURNS),
    metavar="TURN",
    multiple=True,
    help="What of a release a receiver is told of, such as rolled_back; none: nothing any more. May be given"
    " several times. Default: all; by mail, what people must do or know.",
)
@click.option("--from", "sender", metavar="ADDRESS", default="", help="Who mail comes from.")
@click.option(
    "--to",
    metavar="ADDRESS[=GLOB]",
    multiple=True,
    help="Whom mail goes to, of the targets that match. May be given several times, and is the whole list.",
)
@as_json
def connect(
    kind: str, url: str | None, name: str | None, owns: tuple[str, ...], *, wants_json: bool, **more: Any
) -> None:
    """Connect a repository, registry, chat, receiver, sender or metrics.

    Makes a secret, sets the sender's hook where that can be done from here, and looks at the source
    from then on. What is there already starts nothing; the next push, tag or alias does.

    \b
    KIND is one of
      repositories  git, github, gitlab, gitea, bitbucket
      registries    mlflow, registry, harbor
      chats         slack, mattermost, matrix
      receivers     webhook, email, grafana
      senders       alertmanager, cloudevents, hook
      metrics       prometheus, metrics, json, csv

    \b
      segue connect git /srv/git/models.git
      segue connect github https://github.com/acme/models
      segue connect github https://github.com/acme
      segue connect mlflow http://127.0.0.1:5000
      segue connect registry https://ghcr.io
      segue connect alertmanager --name alerts
      segue connect prometheus http://prometheus:9090 --name prom
      segue connect slack --person U024BE7LH=ann --person U0G9QF9C6=bob
      segue connect webhook https://hooks.example/segue --owns 'churn/*'
      segue connect grafana https://grafana.example
      segue connect email smtp://mail.example:587 --from segue@acme.example --to ml@acme.example

    Alertmanager, a sender of CloudEvents and a signed hook have no URL: they tell, and cannot be asked.
    The login of a host is a token in the file secrets/login-NAME in SEGUE_HOME, written before. A source of
    metrics is a Prometheus, a program's /metrics, a JSON document or a CSV file with counters: nothing begins
    there, and guards ask it. A webhook is told of each turn of a release, people by mail of what they must do
    or know, Grafana of rollouts.

    A repository on this machine must lie below a folder named in SEGUE_GIT_ROOTS, here and for `segue up`.
    """
    try:
        source = asking_to_connect.source_of(Asked(kind, url, name, owns, **more))
    except Misfit as wrong:
        raise click.UsageError(wrong.said(OPTIONS)) from None
    settings = installation.with_ports(chosen())
    with own_store() as store:
        made, told = asking_to_connect.connect(settings, store, source, installation.place(settings).intake)
    _say({"name": made.name, "kind": made.kind, "url": made.url, "owns": list(made.owns)}, told, wants_json)


def _say(about: dict[str, Any], told: list[str], wants_json: bool) -> None:  # noqa: FBT001
    """What was done, a line each, or all as JSON."""
    if wants_json:
        print_json({**about, "told": told})
        return
    for line in told:
        console().print(line)


@click.command()
@click.argument("name")
@as_json
def disconnect(name: str, *, wants_json: bool) -> None:
    """Take a connection away: a source, chat, receiver or sender.

    Nothing begins at it and nothing is told there any more, at once; of an organisation all its repositories
    go with it. What came from it stays in the record, and what serves goes on serving. Its secrets stay
    files, and a webhook that was set stays at the host: what is left to do is said.

    \b
      segue disconnect ops
    """
    settings = chosen()
    with own_store() as store:
        told = disconnecting.disconnect(settings, store, name)
    _say({"name": name}, told, wants_json)


@click.command()
@click.argument("name")
@click.option("--kubeconfig", type=click.Path(dir_okay=False), help="How to reach it. Default: $KUBECONFIG.")
@click.option("--context", help="A context of the kubeconfig. Default: its current one.")
@click.option("--in-cluster", is_flag=True, help="Segue runs in it: use the pod's service account.")
@click.option("--namespace", default="default", show_default=True, help="Where Segue's own workloads live.")
@click.option("--gateway", metavar="NS/NAME", help="The Gateway that Segue's own routes attach to.")
@click.option("--address", metavar="URL", help="Where that Gateway is reached.")
@click.option("--metrics", metavar="URL", help="Where the data plane's counters are read.")
@click.option(
    "--plane",
    type=click.Choice(clusters.PLANES),
    default="traefik",
    show_default=True,
    help="Whose counters.",
)
@click.option(
    "--gitops",
    metavar="SOURCE:BRANCH:FOLDER",
    help="Commit workloads there, for Argo CD or Flux to apply, instead of applying them.",
)
@click.option("--default", "is_default", is_flag=True, help="Environments without `cluster:` serve here.")
@as_json
def cluster(
    name: str, kubeconfig: str | None, *, in_cluster: bool, is_default: bool, wants_json: bool, **given: Any
) -> None:
    """Connect a Kubernetes cluster, or change its connection.

    NAME is what `cluster:` in a segue.yaml calls it. Stored is where the kubeconfig lies, never what is in
    it. Looks at the cluster before anything is stored.

    \b
      segue cluster prod --context gke_acme_prod --gateway infra/web --metrics http://10.0.0.7:8080/metrics
      segue cluster here --in-cluster --namespace ml --default
      segue cluster prod --context gke_acme_prod --gitops manifests:main:ml
    """
    settings = installation.with_ports(chosen())
    path = None if in_cluster else clusters.kubeconfig(kubeconfig, os.environ)
    wanted = Cluster(name, kubeconfig=path, default=is_default, **given)
    installation.make_folders(settings.home)
    installation.check_store(settings)
    store = Store.open(settings.store_url("engine"))
    told = clusters.connect(settings, store, wanted)
    store.close()
    _say({"name": name, "namespace": wanted.namespace}, told, wants_json)


@click.command("signing-key")
@click.option("--replace", is_flag=True, help="Make a new key. What the old one signed stays trusted.")
@as_json
def own_key(*, replace: bool, wants_json: bool) -> None:
    """Show the public key of the images that Segue signs.

    Makes the key if there is none: ECDSA P-256, in the secret file signing-key, which never leaves the
    installation. From then on each image that Segue builds and pushes is signed; this is what cosign and
    admission controllers verify it with.

    \b
      segue signing-key > segue.pub
      cosign verify --key segue.pub --insecure-ignore-tlog=true registry.example/models/churn@sha256:...
    """
    settings = chosen()
    made = signing_key.replace(settings) if replace else signing_key.public(settings)
    if wants_json:
        print_json({"public_key": made.decode()})
    else:
        click.echo(made.decode(), nl=False)


COMMANDS = (connect, disconnect, cluster, own_key)
