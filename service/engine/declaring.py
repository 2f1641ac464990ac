"""What a commit declares: every `segue.yaml` read and checked, and what the default branch says stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from policies.effects import ReportCommit
from policies.spec.declaration import FromImage, Model, VersionSource
from policies.spec.mistakes import Mistake
from policies.spec.support import EMBEDDED
from service import commits, mistakes_shown, places, segue_yaml
from service.bootstrap import Parts
from service.calendars import files as calendar_files
from service.calendars.files import File
from service.engine import holding, ownership
from service.engine.deciding import Deciding, decide
from service.ports.connections import Cluster, Source
from service.ports.git import GitHost, TreeEntry
from service.ports.outcomes import Refused
from service.sources import GROUP_KINDS, IMAGE_KINDS
from service.store.queue import Work
from service.store.rows import ModelRow
from service.store.states import MODEL, model_of


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that declares nothing because of its mistakes."""

    file: str
    mistakes: tuple[Mistake, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Declared:
    """What a commit declares: its models and the calendars of their freezes, or the file that is broken with
    all its mistakes."""

    models: tuple[Model, ...]
    broken: tuple[Broken, ...]
    calendars: tuple[File, ...]


def declared(
    host: GitHost,
    source: Source,
    known: Iterable[ModelRow],
    commit: str,
    tree: Iterable[TreeEntry],
    *,
    now: float,
    clusters: Sequence[Cluster] = (),
    capabilities: frozenset[str] = EMBEDDED,
) -> Declared:
    """Reads every `segue.yaml` of a commit.

    `known` are the models that all sources declare now, `clusters` those that are connected,
    `capabilities` what can be done here. Raises `Refused` for a folder whose name is no text.
    """
    taken = {row.name: f"by source {row.source}" for row in known if row.source != source.name}
    models: list[Model] = []
    broken: list[Broken] = []
    files: dict[str, File] = {}
    for entry in tree:
        folder, _, name = entry.path.rpartition("/")
        if name != segue_yaml.NAME:
            continue
        if not folder.isprintable():  # it becomes a model's name, and part of addresses and records
            raise Refused(f"the folder {folder!r} holds a {name}, but its name is no plain text; rename it")
        data = host.file(commit, entry.path) or b""
        checked = segue_yaml.check(data, folder, capabilities)
        found = calendar_files.find(
            data, checked.models, source.name, folder, read=partial(host.file, commit), now=now
        )
        mistakes = checked.mistakes or (
            *ownership.mistakes(source, taken, found.models),
            *places.mistakes(clusters, found.models),
            *commits.mistakes(clusters, source.name, found.models),
            *found.mistakes,
        )
        if mistakes:
            broken.append(Broken(entry.path, mistakes, data))
        else:
            models.extend(found.models)
            files |= {one.name: one for one in found.files}
            taken |= {model.name: f"in {entry.path}" for model in found.models}
    return Declared(tuple(models), tuple(broken), tuple(files.values()))


def read(parts: Parts, host: GitHost, source: Source, commit: str, tree: Sequence[TreeEntry]) -> Declared:
    """The same by what is connected and can be done here."""
    can = segue_yaml.capabilities(parts.settings)
    if source.kind not in GROUP_KINDS:
        can -= {"approvals.groups"}
    if parts.settings.oidc_issuer is None:
        can -= {"approvals.provider"}
    known, clusters = parts.store.models(), parts.store.clusters()
    now = parts.store.now()
    return declared(host, source, known, commit, tree, now=now, clusters=clusters, capabilities=can)


def declare(parts: Parts, source: str, work: Work) -> None:
    """Learn the models of a source's default branch without starting anything.

    Raises `Lost` where somebody else goes on with this `work`: what was read here is old then.
    """
    host = parts.git(source)
    commit = host.refs().get(host.default_branch())
    if commit is None:
        return
    found = read(parts, host, parts.source(source), commit, host.tree(commit))

    def store(deciding: Deciding) -> None:
        deciding.change.renew(work)
        keep(deciding, source, commit, found.models, found.calendars)

    decide(parts.store, store)


def keep(
    deciding: Deciding,
    source: str,
    commit: str,
    models: tuple[Model, ...],
    files: tuple[File, ...] = (),
) -> None:
    """Store what the default branch declares now; models that are gone from it are forgotten. Releases that
    began before are held by its freezes, too."""
    change = deciding.change
    before = change.models(source)
    _learn_tags(deciding, commit, {model_of(row).source for row in before}, models)
    for row in before:
        if row.name not in {model.name for model in models}:
            change.remove_model(row.name)
    for model in models:
        change.save_model(ModelRow(model.name, source, model.folder, commit, MODEL.dump(model)))
    holding.learn(deciding, source, files)
    for model in models:
        holding.follow(deciding, model)
    if any(one.budget is not None for model in models for one in model.environments):
        holding.ask_budgets(change, f"{source}:{commit}")


def _learn_tags(
    deciding: Deciding, commit: str, known: set[VersionSource], models: tuple[Model, ...]
) -> None:
    """Have registries looked at once images are declared anew: the very next tag is then a change."""
    if not any(isinstance(m.source, FromImage) and m.source not in known for m in models):
        return
    for source in deciding.change.sources():
        if source.kind in IMAGE_KINDS:
            lane = f"look:{source.name}"
            deciding.change.add_work(Work(lane, "look", f"{lane}:declared-{commit}", source.name))


def report(source: str, commit: str, broken: Broken) -> ReportCommit:
    """What a commit is told about a file of its that is broken."""
    count = len(broken.mistakes)
    title = f"{broken.file} has {count} mistake{'s' if count > 1 else ''}; nothing was started"
    text = mistakes_shown.as_text(broken.mistakes, broken.data, broken.file)
    return ReportCommit(source, commit, f"segue/{broken.file}", "failure", title, text)
