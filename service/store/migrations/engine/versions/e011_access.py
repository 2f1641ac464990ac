"""Who holds which role where, and who is logged in by a provider of identities."""

import sqlalchemy as sa
from alembic import op

revision = "e011"
down_revision = "e009"


def upgrade() -> None:
    op.create_table(
        "role_grant",
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, primary_key=True),
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "login",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("groups", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("login_by_end", "login", ["until"])
