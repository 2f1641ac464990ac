"""What the recorder noted: both versions' answers to copied requests, and who answered which request."""

import sqlalchemy as sa
from alembic import op

revision = "s003"
down_revision = "s002"


def upgrade() -> None:
    op.create_table(
        "pair",
        sa.Column("release", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("said", sa.Text),
        sa.Column("stable_said", sa.Text),
    )
    op.create_table(
        "assignment",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("assignment_by_time", "assignment", ["at"])
