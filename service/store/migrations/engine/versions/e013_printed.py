"""What builds and evaluations print, kept while they run."""

import sqlalchemy as sa
from alembic import op

revision = "e013"
down_revision = "e008"


def upgrade() -> None:
    op.create_table(
        "printed",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("start", sa.Integer, primary_key=True),
        sa.Column("until", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("printed_by_time", "printed", ["at"])
