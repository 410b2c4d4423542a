"""What a base that is searched through Milvus keeps of it: tasks, what lies there, and the counts of the whole."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "index_feeds",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("position", IDENTITY, nullable=False),
        sa.Column("lengths", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_index_feeds")),
    )
    op.create_table(
        "feed_tasks",
        sa.Column("id", IDENTITY, autoincrement=True, nullable=False),
        sa.Column("feed", sa.String(length=128), nullable=False),
        sa.Column("entry_id", IDENTITY, nullable=False),
        sa.Column("seq", IDENTITY, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_tasks")),
    )
    op.create_index("ix_feed_tasks_feed", "feed_tasks", ["feed", "id"])
    op.create_table(
        "fed_entries",
        sa.Column("feed", sa.String(length=128), nullable=False),
        sa.Column("entry_id", IDENTITY, autoincrement=False, nullable=False),
        sa.Column("stamp", sa.String(length=16), nullable=False),
        sa.Column("counted", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "entry_id", name=op.f("pk_fed_entries")),
    )
    op.create_table(
        "feed_counts",
        sa.Column("id", IDENTITY, autoincrement=True, nullable=False),
        sa.Column("feed", sa.String(length=128), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("counted", sa.LargeBinary(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_counts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_counts_feed", "feed_counts", ["feed", "id"])


def downgrade() -> None:
    for table in ("feed_counts", "fed_entries", "feed_tasks", "index_feeds"):
        op.drop_table(table)
