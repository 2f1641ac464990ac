"""Which accounts are one person's."""

import sqlalchemy as sa
from alembic import op

revision = "e010"
down_revision = "e013"


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
    )
