"""Connected clusters."""

import sqlalchemy as sa
from alembic import op

revision = "e002"
down_revision = "e001"


def upgrade() -> None:
    op.create_table(
        "cluster",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
    )
