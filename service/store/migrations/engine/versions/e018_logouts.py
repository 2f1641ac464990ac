"""The provider's ids of a login, by which it says that it has ended."""

import sqlalchemy as sa
from alembic import op

revision = "e018"
down_revision = "e016"


def upgrade() -> None:
    op.add_column("login", sa.Column("subject", sa.Text))
    op.add_column("login", sa.Column("session", sa.Text))
