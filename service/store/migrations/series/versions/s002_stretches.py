"""What versions served in blocks of five minutes, from which noise is learned."""

import sqlalchemy as sa
from alembic import op

revision = "s002"
down_revision = "s001"


def upgrade() -> None:
    op.create_table(
        "stretch",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
    )
    op.create_index("stretch_at", "stretch", ["at"])
