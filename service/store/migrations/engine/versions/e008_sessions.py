"""Who is logged in to the page."""

import sqlalchemy as sa
from alembic import op

revision = "e008"
down_revision = "e007"


def upgrade() -> None:
    op.create_table(
        "session",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("link", sa.Boolean, nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("session_by_end", "session", ["until"])
