"""The segments that a labelled request was in."""

import sqlalchemy as sa
from alembic import op

revision = "e019"
down_revision = "e018"


def upgrade() -> None:
    op.add_column("label", sa.Column("segments", sa.Text))
