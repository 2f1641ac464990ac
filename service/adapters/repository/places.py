"""Which folders may be read as repositories: plain paths and file:// below a root that was allowed."""

from pathlib import Path

from service import sources
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry


def place(source: Source, roots: tuple[Path, ...]) -> Path:
    """The repository's folder with all symbolic links resolved, if it lies below an allowed root.

    Raises `Refused` with what to write instead, `Retry` where nothing is there now.
    """
    named = sources.folder(source)
    if named is None:
        raise Refused(
            f"{source.url!r} is not on this machine; a bare repository is connected by its whole path,"
            " for example /srv/git/models.git, or file:///srv/git/models.git"
        )
    found = named.resolve()
    if not any(found.is_relative_to(root.resolve()) for root in roots):
        allowed = ":".join(map(str, roots))
        more = found if found.parent == Path("/") else found.parent  # nobody allows all there is by this
        raise Refused(
            f"{named} lies below no folder that SEGUE_GIT_ROOTS allows"
            f" ({allowed or 'it is not set'}{_really(named, found)}); start Segue with"
            f" SEGUE_GIT_ROOTS={':'.join([*map(str, roots), str(more)])}"
        )
    _check(found)
    return found


def _check(folder: Path) -> None:
    try:
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            return
        working_copy = (folder / ".git").is_dir()
    except OSError as reason:
        raise Retry(f"{folder} cannot be read: {reason.strerror}; let Segue's user read it", 10.0) from reason
    if working_copy:
        raise Refused(f"{folder} is a working copy; connect its repository: {folder / '.git'}")
    what = "holds no Git repository" if folder.is_dir() else "is not there"
    raise Retry(
        f"{folder} {what}; put the repository back, make one with `git init --bare {folder}`,"
        " or connect the source at its new place",
        10.0,
    )


def _really(named: Path, found: Path) -> str:
    return "" if named == found else f"; it is really {found}"
