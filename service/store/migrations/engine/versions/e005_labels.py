"""True labels that come after the predictions; one row a request."""

import sqlalchemy as sa
from alembic import op

revision = "e005"
down_revision = "e004"


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("version", sa.Text),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("wrong", sa.Boolean, nullable=False),
        sa.Column("came", sa.Double, nullable=False),
    )
    op.create_index("label_by_hour", "label", ["model", "source", "hour"])
    op.create_index("label_by_arrival", "label", ["came"])
