"""Calendar files that freezes name, error budgets, and groups that approvals may count by."""

import sqlalchemy as sa
from alembic import op

revision = "e015"
down_revision = "e014"


def upgrade() -> None:
    op.create_table(
        "calendar",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("spans", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("fetched", sa.Double),
        sa.Column("mark", sa.Text),
        sa.Column("trouble", sa.Text),
    )
    op.create_table(
        "provided",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("groups", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "budget",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("left", sa.Double),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
    )
