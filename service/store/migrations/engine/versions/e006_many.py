"""Ways to find a few among many releases: those of one model, and those in some phases.

Without `rev`: an index that held it would be written with each judgement of a release.
"""

import sqlalchemy as sa
from alembic import op

revision = "e006"
down_revision = "e005"


def upgrade() -> None:
    op.create_index("release_by_model", "release", ["model", "id"])
    op.create_index(
        "release_by_phase",
        "release",
        ["phase", "id"],
        sqlite_where=sa.text("final = 0"),
        postgresql_where=sa.text("NOT final"),
    )
