"""Git tags as a model registry, as GTO writes them: which version holds a stage now.

    churn@v1.2.3       registers the commit as that version      churn@v1.2.3!      takes the version back
    churn#prod#3       assigns the stage to the commit           churn#prod!#4      takes the stage back
    churn@deprecated   nothing of the model is to be used

A number at the end counts the model's tags, so the greatest is the newest. GTO numbers what is done to
stages, and not what is done to versions and models, unless it is told otherwise. A folder may stand before
the name: `models/churn=churn#prod`. Source: GTO 1.10, `gto/constants.py` and `gto/tag.py`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policies.tags import newest

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9/_-]*[A-Za-z0-9])?"
_TAG = re.compile(
    rf"(?:[A-Za-z0-9_./-]+=)?(?P<model>{_NAME})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>v\d+\.\d+\.\d+[0-9A-Za-z.+-]*))(?P<back>!?)|@(?P<all>deprecated))"
    r"(?:#(?P<number>\d{1,12}))?",
    re.ASCII,
)


class Act(StrEnum):
    """What a tag does."""

    REGISTER = "register"
    DEREGISTER = "deregister"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    DEPRECATE = "deprecate"


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: what it does to which model. `subject` is its version or stage, "" of a deprecation."""

    name: str
    model: str
    act: Act
    subject: str
    number: int  # 0 where it has none
    commit: str

    @property
    def age(self) -> tuple[int, bool]:
        """What comes later is greater; of two without a number, what takes back."""
        return self.number, self.act not in {Act.REGISTER, Act.ASSIGN}


@dataclass(frozen=True, slots=True)
class Held:
    """A stage, the tag that assigns it, and the version that it assigns it to; None: one without a name."""

    stage: str
    tag: Tag
    version: str | None

    def __str__(self) -> str:
        return f"{self.tag.name} assigns {self.stage} to {self.version or self.tag.commit[:12]}"


def read(name: str, commit: str) -> Tag | None:
    """What a Git tag of this name says; None for any other tag."""
    found = _TAG.fullmatch(name)
    if found is None:
        return None
    number = int(found["number"] or 0)
    if found["all"]:
        return Tag(name, found["model"], Act.DEPRECATE, "", number, commit)
    if found["stage"]:
        act = Act.UNASSIGN if found["back"] else Act.ASSIGN
        return Tag(name, found["model"], act, found["stage"], number, commit)
    act = Act.DEREGISTER if found["back"] else Act.REGISTER
    return Tag(name, found["model"], act, found["version"], number, commit)


def held(tags: Mapping[str, str], model: str, stage: str) -> Held | None:
    """Who holds the stage, of all tags with their commits; None for nobody.

    The newest assignment wins. It counts for nothing once it, its version or the model was taken back.
    """
    known = [tag for name, commit in tags.items() if (tag := read(name, commit)) and tag.model == model]
    registered = [tag for tag in known if tag.act is Act.REGISTER]
    assigned = _newest(tag for tag in known if tag.act is Act.ASSIGN and tag.subject == stage)
    if assigned is None:
        return None
    named = _newest(tag for tag in registered if tag.commit == assigned.commit)
    version = named.subject if named else None
    back = (tag for tag in known if _takes_back(tag, assigned, version))
    gone = any(tag.age > assigned.age or (named and _was_later(tag, named, registered)) for tag in back)
    return None if gone else Held(stage, assigned, version)


def _newest(tags: Iterable[Tag]) -> Tag | None:
    return max(tags, key=lambda tag: (tag.age, tag.name), default=None)


def _takes_back(tag: Tag, assigned: Tag, version: str | None) -> bool:
    match tag.act:
        case Act.UNASSIGN:
            return tag.subject == assigned.subject and tag.commit == assigned.commit
        case Act.DEREGISTER:
            return tag.subject == version
        case Act.DEPRECATE:
            return True
        case Act.REGISTER | Act.ASSIGN:
            return False


def _was_later(back: Tag, version: Tag, registered: Iterable[Tag]) -> bool:
    """Whether a tag without a number was made after that version.

    A version's own was: with a number, the version was registered once more. A model's stands at the commit
    of what was done last before it, so it means all versions up to that commit's.
    """
    if back.number or back.act is Act.UNASSIGN:
        return False
    if back.act is Act.DEREGISTER:
        return version.number == 0
    last = {tag.subject.partition("+")[0] for tag in registered if tag.commit == back.commit}
    own = version.subject.partition("+")[0]
    return own in last or (bool(last) and newest((own, *last), "*") != own)
