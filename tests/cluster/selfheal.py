"""Small stand-ins for Argo CD and Flux: what each does to an object that is not as Git has it.

They follow the sources of both, with kubectl doing the writing: Argo CD's `normalizeTargetResources`
(what is ignored is taken out of both sides before they are compared, and put back as it is in the
cluster before the sync), Flux's drift ignore rules (fluxcd/pkg pull request 1157: a dry run is compared,
what is ignored and has drifted is left out of what is applied). They stand in where the real ones, which
take long to build, are not needed: `gitops` has those, and the tests marked `whole` run beside them.
"""

import copy
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import yaml

FORCED = ("apply", "--server-side", "--force-conflicts", "-f", "-")


class Argo:
    """Keeps `manifests` as they are, with self-heal; `spec` is the Application's, or none."""

    def __init__(self, kubectl, manifests, spec=None, application="fraud"):
        self.kubectl = kubectl
        self.manifests = [_tracked(one, application) for one in manifests]
        self.rules = (spec or {}).get("ignoreDifferences", [])
        options = (spec or {}).get("syncPolicy", {}).get("syncOptions", [])
        self.respects = "RespectIgnoreDifferences=true" in options

    def heal(self):
        """Sync what is out of sync; the names of what was."""
        healed = []
        for target in self.manifests:
            live = _live(self.kubectl, target)
            normal_live, normal_target = self._normal(live), self._normal(target)
            if live is not None and _agrees(normal_live, normal_target):
                continue
            respected = live is not None and self.respects
            wanted = _merged(normal_target, _difference(normal_live, live)) if respected else target
            self.kubectl.run(*FORCED, "--field-manager=argocd-controller", given=json.dumps(wanted))
            healed.append(_name(target))
        return healed

    def _normal(self, one):
        normal = copy.deepcopy(one)
        for rule in self.rules if one else ():
            if _fits(rule, one):
                for path in rule["jsonPointers"]:
                    _remove(normal, _steps(path))
        return normal


class Flux:
    """Keeps `manifests` as they are; `spec` is the Kustomization's, or none."""

    def __init__(self, kubectl, manifests, spec=None, kustomization="apps"):
        self.kubectl = kubectl
        labels = {"kustomize.toolkit.fluxcd.io/name": kustomization}
        self.manifests = [_worn(one, labels) for one in manifests]
        self.rules = (spec or {}).get("ignore", [])

    def heal(self):
        """Apply what has drifted; the names of what had."""
        healed = []
        for target in self.manifests:
            live = _live(self.kubectl, target)
            if live is not None and self._once(live, target):
                continue
            drifted = [] if live is None else self._drifted(live, target)
            if drifted is not None:
                self._apply(_cut(target, drifted))
                healed.append(_name(target))
        return healed

    def _drifted(self, live, target):
        """The ignored paths that are not as in Git; None where nothing else is."""
        ignored = [path for rule in self.rules if _fits(rule["target"], target) for path in rule["paths"]]
        dry = json.loads(self._apply(target, "--dry-run=server", "-o", "json"))
        if _without(live, ignored) == _without(dry, ignored):
            return None
        return [path for path in ignored if _at(live, _steps(path)) != _at(dry, _steps(path))]

    def _apply(self, target, *words):
        manager = "--field-manager=kustomize-controller"
        return self.kubectl.run(*FORCED, manager, *words, given=json.dumps(target))

    def _once(self, live, target):
        notes = target["metadata"].get("annotations") or {}
        return notes.get("kustomize.toolkit.fluxcd.io/ssa") == "IfNotPresent"


class Reconciler:
    """Applies a folder of a bare repository's branch and prunes what is gone, as both do; on each `look`."""

    def __init__(self, kubectl, repository, branch, folder):
        self.kubectl = kubectl
        self.repository = repository
        self.branch = branch
        self.folder = folder
        self.inventory = set()

    def look(self):
        """Apply the branch's tip; which commit that is."""
        tip = self._git("rev-parse", self.branch).strip()
        files = self._git("ls-tree", "--name-only", tip, f"{self.folder}/").split()
        wanted = [one for file in files if file.endswith(".yaml") for one in self._objects(tip, file)]
        for one in wanted:
            self.kubectl.run(*FORCED, "--field-manager=kustomize-controller", given=json.dumps(one))
        there = {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]) for one in wanted}
        for kind, namespace, name in self.inventory - there:
            self.kubectl.run("delete", kind, name, "-n", namespace, "--ignore-not-found", "--wait=false")
        self.inventory = there
        return tip

    def _objects(self, tip, file):
        return [one for one in yaml.safe_load_all(self._git("show", f"{tip}:{file}")) if one]

    def _git(self, *words):
        done = subprocess.run(
            ["git", f"--git-dir={self.repository}", *words], check=True, capture_output=True, text=True
        )
        return done.stdout


class Loop:
    """Calls `act` again and again until the block ends; where it fails the block does."""

    def __init__(self, act, seconds):
        self._act, self._seconds = act, seconds
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self):
        self._ended = self._pool.submit(self._run)
        return self

    def __exit__(self, *_):
        self._over.set()
        self._pool.shutdown()
        self._ended.result()

    def _run(self):
        while not self._over.wait(self._seconds):
            self._act()


def printed(text):
    """The `spec` in what Segue prints for people to copy."""
    body = text[text.index("spec:") :].splitlines()
    end = next((at for at, line in enumerate(body) if at and not line.startswith(" ")), len(body))
    return yaml.safe_load("\n".join(body[:end]))["spec"]


def _live(kubectl, one):
    words = ("get", one["kind"], one["metadata"]["name"], "-n", one["metadata"]["namespace"])
    found = kubectl.run(*words, "-o", "json", "--ignore-not-found")
    return json.loads(found) if found else None


def _name(one):
    return f"{one['kind']} {one['metadata']['name']}"


def _tracked(one, application):
    group = one["apiVersion"].rpartition("/")[0]
    metadata = one["metadata"]
    tracking = f"{application}:{group}/{one['kind']}:{metadata['namespace']}/{metadata['name']}"
    notes = {**(metadata.get("annotations") or {}), "argocd.argoproj.io/tracking-id": tracking}
    return {**one, "metadata": {**metadata, "annotations": notes}}


def _worn(one, labels):
    return {
        **one,
        "metadata": {**one["metadata"], "labels": {**(one["metadata"].get("labels") or {}), **labels}},
    }


def _fits(rule, one):
    wanted = {"kind": one["kind"], **{key: one["metadata"][key] for key in ("namespace", "name")}}
    group = one["apiVersion"].rpartition("/")[0]
    return rule.get("group", group) == group and all(rule[key] == said for key, said in wanted.items())


def _agrees(live, target):
    """Whether everything in the target is so in the cluster, which may have more (defaults)."""
    if isinstance(target, dict):
        return isinstance(live, dict) and all(_agrees(live.get(key), said) for key, said in target.items())
    if target and isinstance(target, list):
        same = isinstance(live, list) and len(live) == len(target)
        return same and all(_agrees(one, other) for one, other in zip(live, target, strict=True))
    return live == target or (not target and live is None)


def _steps(pointer):
    """`/spec/rules` as the keys on the way."""
    return pointer[1:].split("/")


def _remove(one, steps):
    for step in steps[:-1]:
        one = one.get(step) if isinstance(one, dict) else None
    if isinstance(one, dict):
        one.pop(steps[-1], None)


def _at(one, steps):
    for step in steps:
        one = one.get(step) if isinstance(one, dict) else None
    return one


def _without(one, paths):
    """The object without these paths and without what the server alone writes."""
    servers = ("/status", "/metadata/managedFields", "/metadata/resourceVersion", "/metadata/generation")
    return _cut(one, [*paths, *servers])


def _cut(one, paths):
    bare = copy.deepcopy(one)
    for path in paths:
        _remove(bare, _steps(path))
    return bare


def _difference(before, after):
    """The JSON merge patch from one to the other; a list is one value."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    changed = {
        key: _difference(before.get(key), said) for key, said in after.items() if before.get(key) != said
    }
    return {**changed, **{key: None for key in before if key not in after}}


def _merged(target, patch):
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, said in patch.items():
        if said is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), said)
    return merged
