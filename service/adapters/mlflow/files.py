"""Where the files of a registered version lie, and how the server hands them out: streamed, unopened.

Three places: behind the server's artifact proxy, with a logged model, with a run. All are read
through the server, which alone has the credentials of the storage behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from service.adapters.mlflow.rest import API, Rest
from service.ports.outcomes import Refused

_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_MOST = 20_000  # files and folders of one version
_HOPS = 5  # a version can be a copy of a copy


@dataclass(frozen=True, slots=True)
class Place:
    """A folder on the server: how to list it, and where one file is read.

    `below` is the folder that the version's files lie in; paths go to the server with it.
    """

    listing: str
    reading: str
    asked: str  # the name of the listing's parameter that holds a folder
    below: str = ""
    named: str | None = None  # the reading's parameter that holds a path; None: it ends the address
    facts: tuple[tuple[str, str], ...] = ()

    def folder(self, path: str) -> dict[str, str]:
        """The query that lists a folder of the version."""
        where = "/".join(filter(None, (self.below, path)))
        return {**dict(self.facts), **({self.asked: where} if where else {})}

    def file(self, path: str) -> tuple[str, dict[str, str]]:
        """The address of a file of the version, and its query."""
        where = "/".join(filter(None, (self.below, path)))
        if self.named is None:
            return f"{self.reading}/{quote(where)}", {}
        return self.reading, {**dict(self.facts), self.named: where}


def place_of(rest: Rest, version: dict[str, Any]) -> Place:
    """Where a version's files lie. Raises `Refused` where the server does not hand them out."""
    known = version
    for _ in range(_HOPS):
        query = {"name": str(known["name"]), "version": str(known["version"])}
        uri = str(rest.get("/model-versions/get-download-uri", **query).get("artifact_uri", ""))
        if uri.startswith("mlflow-artifacts:"):
            return Place(_PROXY, _PROXY, "path", below=_folder(urlsplit(uri).path))
        source = str(known.get("source", ""))
        copied = _copied(source)
        if copied is None:
            return _by_source(rest, known, source, uri)
        known = rest.get("/model-versions/get", "model_version", name=copied[0], version=copied[1])
    raise Refused(f"version {version['version']} of {version['name']!r} is a copy of too many copies")


def _by_source(rest: Rest, version: dict[str, Any], source: str, uri: str) -> Place:
    if source.startswith("models:/m-"):
        model, _, below = source.removeprefix("models:/").partition("/")
        base = f"/mlflow/logged-models/{quote(model, safe='')}/artifacts"
        return Place(
            f"/api/2.0{base}/directories",
            f"/ajax-api/2.0{base}/files",
            "artifact_directory_path",
            below=_folder(below),
            named="artifact_file_path",
        )
    run = str(version.get("run_id") or "")
    if run:
        info = rest.get("/runs/get", "run", run_id=run).get("info", {})
        root = str(info.get("artifact_uri", "")).rstrip("/")
        if root and uri.startswith(root + "/"):
            below = _folder(uri.removeprefix(root))
            return Place(
                f"{API}/artifacts/list",
                "/get-artifact",
                "path",
                below,
                named="path",
                facts=(("run_id", run),),
            )
    raise Refused(
        f"the files of version {version['version']} of {version['name']!r} lie at"
        f" {uri.partition(':')[0]}:…, which the server does not hand out; start mlflow server with"
        " --serve-artifacts and --artifacts-destination, or register a logged model"
    )


def _copied(source: str) -> tuple[str, str] | None:
    """The version that `models:/<name>/<number>` names; None for any other source."""
    name, _, number = source.removeprefix("models:/").rpartition("/")
    return (name, number) if source.startswith("models:/") and name and number.isdigit() else None


def listed(rest: Rest, place: Place) -> tuple[tuple[str, int], ...]:
    """All files with their sizes, sorted. Raises `Refused` for names that would leave their folder."""
    files: list[tuple[str, int]] = []
    folders, seen = [""], 0
    while folders:
        folder = folders.pop()
        for entry in rest.pages(place.listing, "files", place.folder(folder)):
            seen += 1
            if seen > _MOST:
                raise Refused(f"the version has more than {_MOST} files and folders")
            path = _entry(entry, place, folder)
            if entry.get("is_dir"):
                folders.append(path)
            else:
                files.append((path, int(entry.get("file_size", 0))))
    return tuple(sorted(files))


def read(rest: Rest, place: Place, path: str) -> Iterator[bytes]:
    """One file's bytes, in pieces."""
    address, query = place.file(path)
    return rest.stream(address, query)


def _entry(entry: dict[str, Any], place: Place, folder: str) -> str:
    """The entry's path within the version: some lists give names, some give paths from their root."""
    told = safe(str(entry.get("path", "")))
    name = told.rpartition("/")[2]
    inside = "/".join(filter(None, (folder, name)))
    if told not in {name, inside, "/".join(filter(None, (place.below, inside)))}:
        raise Refused(f"the server lists {told!r} in the folder {folder or '.'!r}, where it cannot be")
    return inside


def _folder(path: str) -> str:
    """A folder below some root; "" is the root itself."""
    plain = path.strip("/")
    return safe(plain) if plain else ""


def safe(path: str) -> str:
    """The path, if it stays inside its folder and can be written in an address; else `Refused`."""
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise Refused(f"{path!r} is not the path of a model's file")
    return path
