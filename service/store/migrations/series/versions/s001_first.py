"""The observer's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "s001"
down_revision = None

_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.create_table(
        "increment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("body", _JSON, nullable=False),
        sa.UniqueConstraint("release", "sequence", name="increment_once"),
    )
    op.create_table(
        "judge",
        sa.Column("release", sa.Text, primary_key=True),
        sa.Column("state", _JSON, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
    )
    op.create_table(
        "history",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("requests", sa.Double, nullable=False),
        sa.Column("errors", sa.Double, nullable=False),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
