"""A Git host's list of deployments: what it is told, with addresses that others reach."""

from policies.effects import ReportDeployment
from service.addresses import Addresses
from service.bootstrap import Parts
from service.identity.access import PAGE
from service.loopback import leads_here
from service.performing.outcomes import Done
from service.ports.git import Deployment, DeploymentState
from service.settings import Settings
from service.store.states import target_of


def deploy(parts: Parts, effect: ReportDeployment) -> Done:
    """The release as a deployment, in the effect's state."""
    state = DeploymentState(effect.state)
    told = Deployment(
        effect.commit,
        effect.target,
        effect.key,
        state,
        effect.title,
        log_url=page(parts.settings, effect.release),
        environment_url=_reached(_served(parts, effect.target) if state is DeploymentState.SUCCESS else None),
    )
    parts.deploying(effect.source).deploy(told)
    return Done()


def page(settings: Settings, release: str) -> str:
    """The page of a release; "" where others do not reach it."""
    web = settings.web_url
    return _reached(f"{web.rstrip('/')}{PAGE}/releases/{release}") if web and release else ""


def _served(parts: Parts, target: str) -> str | None:
    return Addresses(parts).of(target_of(parts.store.target(target), target))


def _reached(url: str | None) -> str:
    """The address, unless it is one of this machine, which leads nobody else here."""
    return "" if not url or leads_here(url) else url
