"""Calendar files that freezes name, and groups that approvals may count by."""

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
    )
    op.create_table(
        "provided",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("groups", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
