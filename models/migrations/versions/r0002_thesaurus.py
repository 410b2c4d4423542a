"""The office's thesaurus, version by version; the change log also tells of it, in rows without an entry."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "thesaurus_versions",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("head", sa.String(length=30), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sayings", sa.JSON(), nullable=False),
        sa.Column("field", sa.String(length=30), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("created_by_id", IDENTITY, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("head <> ''", name=op.f("ck_thesaurus_versions_head_not_empty")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_thesaurus_versions_numbered_from_one")),
        sa.ForeignKeyConstraint(["created_by_id"], ["people.id"], name=op.f("fk_thesaurus_versions_created_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thesaurus_versions")),
        sa.UniqueConstraint("head", "number", name=op.f("uq_thesaurus_versions_head_number")),
    )
    _entry_may_be_missing(True)


def downgrade() -> None:
    op.execute("DELETE FROM change_log WHERE entry_id IS NULL")
    _entry_may_be_missing(False)
    op.drop_table("thesaurus_versions")


def _entry_may_be_missing(nullable: bool) -> None:
    with op.batch_alter_table("change_log", table_kwargs={"sqlite_autoincrement": True}) as change_log:
        change_log.alter_column("entry_id", existing_type=IDENTITY, nullable=nullable)
