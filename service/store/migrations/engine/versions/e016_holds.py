"""Error budgets, and what is known of calendars that are fetched."""

import sqlalchemy as sa
from alembic import op

revision = "e016"
down_revision = "e015"


def upgrade() -> None:
    op.add_column("calendar", sa.Column("fetched", sa.Double))
    op.add_column("calendar", sa.Column("mark", sa.Text))
    op.add_column("calendar", sa.Column("trouble", sa.Text))
    op.create_table(
        "budget",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("left", sa.Double),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
    )
