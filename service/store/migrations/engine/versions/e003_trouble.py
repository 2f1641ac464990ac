"""Since when work is in trouble: a budget of time counts from the first answer that it could not be done."""

import sqlalchemy as sa
from alembic import op

revision = "e003"
down_revision = "e002"


def upgrade() -> None:
    op.add_column("work", sa.Column("troubled", sa.Double))
