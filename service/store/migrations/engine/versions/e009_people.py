"""Who may command from a chat: its ids of people, and who they are."""

import sqlalchemy as sa
from alembic import op

revision = "e009"
down_revision = "e010"


def upgrade() -> None:
    op.add_column("source", sa.Column("people", sa.JSON(none_as_null=True)))
