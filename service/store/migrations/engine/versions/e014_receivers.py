"""What a receiver is told, and to whom it goes on."""

import sqlalchemy as sa
from alembic import op

revision = "e014"
down_revision = "e011"


def upgrade() -> None:
    op.add_column("source", sa.Column("subscription", sa.JSON(none_as_null=True)))
