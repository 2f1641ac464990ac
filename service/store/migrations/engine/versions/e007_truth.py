"""The label itself beside what it makes of an answer: two answers to one request are compared with it."""

import sqlalchemy as sa
from alembic import op

revision = "e007"
down_revision = "e006"


def upgrade() -> None:
    op.add_column("label", sa.Column("truth", sa.Text))
