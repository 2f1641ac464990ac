"""For whom work is, and its place among all that waits: nobody's backlog may hold up somebody else's work.

What is there already goes first; so does what code without these columns still adds.
"""

import sqlalchemy as sa
from alembic import op

revision = "e004"
down_revision = "e003"


def upgrade() -> None:
    open_ = sa.text("finished IS NULL")
    op.add_column("work", sa.Column("party", sa.Text))
    op.add_column("work", sa.Column("rank", sa.Double, nullable=False, server_default="0"))
    op.create_index("work_turn", "work", ["rank", "id"], sqlite_where=open_, postgresql_where=open_)
    op.create_index("work_by_party", "work", ["party", "rank"], sqlite_where=open_, postgresql_where=open_)
