"""The tables of the engine and of the series: columns only, no statement.

Both stores may be one PostgreSQL database, so no name is used twice. Times are Unix seconds. What
a machine knows is JSON in `state`; columns beside it exist only to be searched or compared.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

OWNERS = ("inbox", "engine", "series")

ENGINE = MetaData()
SERIES = MetaData()

_JSON = JSON(none_as_null=True)
_unfinished = text("finished IS NULL")
_OPEN, _NOT_FINAL = text("final = 0"), text("NOT final")  # as either database says it


def _lease(name: str, metadata: MetaData) -> Table:
    """Who may do a thing alone for now. The epoch grows with each change of owner."""
    return Table(
        name,
        metadata,
        Column("name", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("until", Double, nullable=False),
    )


# --- engine ---------------------------------------------------------------------------------

source = Table(
    "source",
    ENGINE,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("owns", _JSON, nullable=False),
    Column("people", _JSON),  # of a chat; NULL for any other source
    Column("subscription", _JSON),  # of a receiver; NULL for any other source
)

cluster = Table(
    "cluster",
    ENGINE,
    Column("name", Text, primary_key=True),
    Column("body", _JSON, nullable=False),
)

# The last value seen of each reference: an event is a change of it.
cursor = Table(
    "cursor",
    ENGINE,
    Column("source", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("value", Text),
    Column("sequence", Integer, nullable=False),
    Column("at", Double, nullable=False),
)

model = Table(
    "model",
    ENGINE,
    Column("name", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("commit", Text, nullable=False),
    Column("declaration", _JSON, nullable=False),
    Index("model_by_source", "source"),
)

version = Table(
    "version",
    ENGINE,
    Column("key", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("state", _JSON, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("changed", Double, nullable=False),
    Index("version_by_model", "model"),
)

release = Table(
    "release",
    ENGINE,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("version_key", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("state", _JSON, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("changed", Double, nullable=False),
    UniqueConstraint("target", "number", name="release_number"),
    Index("release_by_version", "version_key"),
    Index("release_open", "target", "id", sqlite_where=_OPEN, postgresql_where=_NOT_FINAL),
    Index("release_by_phase", "phase", "id", sqlite_where=_OPEN, postgresql_where=_NOT_FINAL),
    Index("release_by_model", "model", "id"),
)

target = Table(
    "target",
    ENGINE,
    Column("name", Text, primary_key=True),
    Column("state", _JSON, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("changed", Double, nullable=False),
)

work = Table(
    "work",
    ENGINE,
    Column("id", Integer, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("body", _JSON, nullable=False),
    Column("state", Text, nullable=False),  # pending, running, started; done, replaced, dead
    Column("attempts", Integer, nullable=False),  # claims that were not answered: its workers ended
    Column("retries", Integer, nullable=False),  # answers in a row that said "not now"
    Column("not_before", Double, nullable=False),
    Column("owner", Text),
    Column("lease_until", Double),
    Column("epoch", Integer, nullable=False),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    Column("troubled", Double),  # since when each answer has been "not now" or an error
    Column("party", Text),  # for whom: these take turns; none: it waits for nobody's turn
    Column("rank", Double, nullable=False, server_default="0"),  # the least of what is due goes first
    Index("work_lane", "lane", "id", sqlite_where=_unfinished, postgresql_where=_unfinished),
    Index("work_due", "not_before", "id", sqlite_where=_unfinished, postgresql_where=_unfinished),
    Index("work_turn", "rank", "id", sqlite_where=_unfinished, postgresql_where=_unfinished),
    Index("work_by_party", "party", "rank", sqlite_where=_unfinished, postgresql_where=_unfinished),
    Index("work_by_subject", "subject", "id"),
    sqlite_autoincrement=True,  # an id is never given twice, even after old rows are removed
)

# Append-only and hash-chained; triggers made by the migration refuse every change.
record = Table(
    "record",
    ENGINE,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False),  # canonical JSON, kept to the byte: the hash covers it
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("record_by_subject", "subject", "id"),
)

token = Table(
    "token",
    ENGINE,
    Column("name", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
)

# Which accounts (a token's or an author's name, `source:login`) are one person's, as the operator says.
account = Table(
    "account",
    ENGINE,
    Column("account", Text, primary_key=True),
    Column("person", Text, nullable=False),
)

# Who is logged in to the page, and links that log somebody in once. Only digests of secrets are stored.
session = Table(
    "session",
    ENGINE,
    Column("digest", Text, primary_key=True),
    Column("token", Text, nullable=False),  # hash of the token that it stands for: it ends with that
    Column("link", Boolean, nullable=False),
    Column("used", Double, nullable=False),
    Column("until", Double, nullable=False),
    Index("session_by_end", "until"),
)

# Who may do what where. A holder is a token (token:ann), a login (oidc:ann, github:ann), a group (@ml).
role_grant = Table(
    "role_grant",
    ENGINE,
    Column("holder", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("given_by", Text, nullable=False),
    Column("at", Double, nullable=False),
)

# Who is logged in to the page by a provider of identities, and the groups that it named then.
login = Table(
    "login",
    ENGINE,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("groups", _JSON, nullable=False),
    Column("used", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("subject", Text),  # the provider's ids of person and session, by which it logs them out
    Column("session", Text),
    Index("login_by_end", "until"),
)

# Calendar files that freezes name, as they were read last, and the times at which their events take place.
calendar = Table(
    "calendar",
    ENGINE,
    Column("name", Text, primary_key=True),  # as the freeze names it, with its source: code:holidays.ics
    Column("text", Text, nullable=False),
    Column("spans", _JSON, nullable=False),
    Column("until", Double, nullable=False),  # beyond which `spans` say nothing
    # Of those that are fetched: when that last went well, the mark of what came, and why it does not go now.
    Column("fetched", Double),
    Column("mark", Text),
    Column("trouble", Text),
)

# The groups in which the provider of identities said somebody is, when they logged in last.
provided = Table(
    "provided",
    ENGINE,
    Column("name", Text, primary_key=True),  # oidc:ann, in small letters
    Column("groups", _JSON, nullable=False),
    Column("at", Double, nullable=False),
)

# What was left of a target's error budget when its metric source told it last.
budget = Table(
    "budget",
    ENGINE,
    Column("target", Text, primary_key=True),  # with the source and the query that it is told by
    Column("left", Double),
    Column("at", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("trouble", Text, nullable=False),
)

answer = Table(
    "answer",
    ENGINE,
    Column("delivery", Text, primary_key=True),
    Column("body", _JSON, nullable=False),
    Column("at", Double, nullable=False),
)

# What turned out to be wrong, by the request that it answered; the first word about a request stands.
label = Table(
    "label",
    ENGINE,
    Column("model", Text, primary_key=True),
    Column("source", Text, primary_key=True),  # source and table, as a guard's `labels` names it
    Column("request", Text, primary_key=True),
    Column("version", Text),  # as the answer named who gave it; none: nobody knows
    Column("at", Double, nullable=False),  # when it was answered
    Column("hour", Integer, nullable=False),  # that hour, in seconds: requests of one hour are compared
    Column("wrong", Boolean, nullable=False),
    Column("came", Double, nullable=False),
    Column("truth", Text),  # the label itself, where the row held it
    Column("segments", Text),  # those of the request, value by label, as JSON; none: the row said none
    Index("label_by_hour", "model", "source", "hour"),
    Index("label_by_arrival", "came"),
)

# What builds and evaluations print: pieces of one run lie behind each other, counted in characters.
printed = Table(
    "printed",
    ENGINE,
    Column("run", Text, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("until", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("mark", Text, nullable=False),  # from which its runner reads on
    Column("at", Double, nullable=False),
    Index("printed_by_time", "at"),
)

duty = _lease("duty", ENGINE)

# --- series ---------------------------------------------------------------------------------

increment = Table(
    "increment",
    SERIES,
    Column("id", Integer, primary_key=True),
    Column("release", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("body", _JSON, nullable=False),
    UniqueConstraint("release", "sequence", name="increment_once"),
)

judge = Table(
    "judge",
    SERIES,
    Column("release", Text, primary_key=True),
    Column("state", _JSON, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
)

history = Table(
    "history",
    SERIES,
    Column("target", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("requests", Double, nullable=False),
    Column("errors", Double, nullable=False),
)

stretch = Table(
    "stretch",
    SERIES,
    Column("target", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("body", _JSON, nullable=False),
    Index("stretch_at", "at"),
)

pair = Table(
    "pair",
    SERIES,
    Column("release", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("said", Text),  # what the candidate answered to a copy, as its policy lets it be kept
    Column("stable_said", Text),
)

replay = Table(
    "replay",
    SERIES,
    Column("release", Text, primary_key=True),
    Column("line", Integer, nullable=False),  # up to which its recorded requests were asked
)

assignment = Table(
    "assignment",
    SERIES,
    Column("target", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("backend", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("assignment_by_time", "at"),
)

lease = _lease("lease", SERIES)
