"""Up to which line each release's recorded requests were asked in a cluster."""

import sqlalchemy as sa
from alembic import op

revision = "s004"
down_revision = "s003"


def upgrade() -> None:
    op.create_table(
        "replay",
        sa.Column("release", sa.Text, primary_key=True),
        sa.Column("line", sa.Integer, nullable=False),
    )
