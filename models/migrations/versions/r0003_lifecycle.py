"""The life of knowledge: rulebooks, routes, notices with their clocks, applications, messages, duties, the audit log.

Columns are added by plain ALTER TABLE, which both databases know: making ``versions`` anew on SQLite would take the
rows that hang on it along.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", IDENTITY, autoincrement=False, nullable=False),
        sa.Column("seq", IDENTITY, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_only_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column(
            "channel",
            sa.Enum("webhook", "mail", name="channel", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("event", sa.String(length=128), nullable=False),
        sa.Column("recipient", sa.String(length=256), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("channel", "event", "recipient", name=op.f("uq_deliveries_channel_event_recipient")),
    )
    op.create_index("ix_deliveries_next_at", "deliveries", ["next_at"])

    op.create_table(
        "notice_numbers",
        sa.Column(
            "kind",
            sa.Enum(
                "collection",
                "confirmation",
                "amendment",
                "correction",
                "question",
                "update",
                "staff",
                "review",
                "after_check",
                "supervision",
                name="noticekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "year", name=op.f("pk_notice_numbers")),
    )
    op.create_table(
        "calendar_years",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holidays", sa.JSON(), nullable=False),
        sa.Column("workdays", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=256), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_calendar_years")),
    )
    op.create_table(
        "rulebook_texts",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(digest) = 64", name=op.f("ck_rulebook_texts_digest_complete")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rulebook_texts")),
        sa.UniqueConstraint("digest", name=op.f("uq_rulebook_texts_digest")),
    )
    op.create_table(
        "audit_records",
        sa.Column("seq", IDENTITY, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", IDENTITY, nullable=True),
        sa.Column("act", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("length(hash) = 64", name=op.f("ck_audit_records_hash_complete")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_audit_records_counted_from_one")),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("fk_audit_records_actor_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_records")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_records_hash")),
    )
    op.create_index("ix_audit_records_at", "audit_records", ["at"])
    op.create_index("ix_audit_records_subject", "audit_records", ["subject"])
    _only_add_to("audit_records")

    op.create_table(
        "notifications",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("event", sa.String(length=128), nullable=False),
        sa.Column("text", sa.String(length=512), nullable=False),
        sa.Column("address", sa.String(length=256), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("text <> ''", name=op.f("ck_notifications_not_empty")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_notifications_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("person_id", "event", name=op.f("uq_notifications_person_id_event")),
    )
    op.create_index("ix_notifications_person_id_read_at_at", "notifications", ["person_id", "read_at", "at"])

    op.create_table(
        "rulebook_adoptions",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("region_id", IDENTITY, nullable=False),
        sa.Column("rulebook_id", IDENTITY, nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("adopted_by_id", IDENTITY, nullable=True),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["adopted_by_id"], ["people.id"], name=op.f("fk_rulebook_adoptions_adopted_by_id")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_rulebook_adoptions_region_id")),
        sa.ForeignKeyConstraint(["rulebook_id"], ["rulebook_texts.id"], name=op.f("fk_rulebook_adoptions_rulebook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rulebook_adoptions")),
        sa.UniqueConstraint("region_id", "effective_from", name=op.f("uq_rulebook_adoptions_region_id_effective_from")),
    )
    op.create_table(
        "staff_members",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("unit_id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("post", sa.String(length=64), nullable=False),
        sa.Column(
            "duty",
            sa.Enum(
                "editor",
                "reviewer",
                "leader",
                "contact",
                name="staffduty",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("phone", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("written_by_id", IDENTITY, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_staff_members_name_not_empty")),
        sa.CheckConstraint("until IS NULL OR until >= since", name=op.f("ck_staff_members_dates_in_order")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_staff_members_unit_id")),
        sa.ForeignKeyConstraint(["written_by_id"], ["people.id"], name=op.f("fk_staff_members_written_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_members")),
    )
    op.create_index("ix_staff_members_unit_id", "staff_members", ["unit_id"])

    op.create_table(
        "periodic_progress",
        sa.Column("id", IDENTITY, autoincrement=False, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("unit_id", IDENTITY, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_periodic_progress_only_row")),
        sa.CheckConstraint("month BETWEEN 1 AND 12", name=op.f("ck_periodic_progress_month_of_a_year")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_periodic_progress")),
    )

    op.create_table(
        "entry_reviews",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("entry_id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("period", sa.String(length=16), nullable=False),
        sa.Column(
            "finding",
            sa.Enum(
                "still_right",
                "to_change",
                "invalid",
                name="finding",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_entry_reviews_entry_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_entry_reviews_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_entry_reviews_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_reviews")),
        sa.UniqueConstraint("entry_id", "period", name=op.f("uq_entry_reviews_entry_id_period")),
    )
    op.create_table(
        "notices",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "collection",
                "confirmation",
                "amendment",
                "correction",
                "question",
                "update",
                "staff",
                "review",
                "after_check",
                "supervision",
                name="noticekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "dispatched",
                "signed",
                "completed",
                "seen",
                "cancelled",
                name="noticestatus",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("unit_id", IDENTITY, nullable=False),
        sa.Column("title", sa.String(length=256), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("major", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("entry_id", IDENTITY, nullable=True),
        sa.Column("version_id", IDENTITY, nullable=True),
        sa.Column("gap_id", IDENTITY, nullable=True),
        sa.Column("about_id", IDENTITY, nullable=True),
        sa.Column("once", sa.String(length=128), nullable=True),
        sa.Column("limit", sa.String(length=32), server_default="", nullable=False),
        sa.Column("rulebook_id", IDENTITY, nullable=False),
        sa.Column("created_by_id", IDENTITY, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_by_id", IDENTITY, nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_by_id", IDENTITY, nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by_id", IDENTITY, nullable=True),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(status IN ('completed', 'seen')) = (completed_at IS NOT NULL)",
            name=op.f("ck_notices_completed_has_a_moment"),
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'cancelled') OR dispatched_at IS NOT NULL",
            name=op.f("ck_notices_dispatched_has_a_moment"),
        ),
        sa.CheckConstraint("title <> ''", name=op.f("ck_notices_title_not_empty")),
        sa.ForeignKeyConstraint(["about_id"], ["notices.id"], name=op.f("fk_notices_about_id")),
        sa.ForeignKeyConstraint(["completed_by_id"], ["people.id"], name=op.f("fk_notices_completed_by_id")),
        sa.ForeignKeyConstraint(["created_by_id"], ["people.id"], name=op.f("fk_notices_created_by_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_notices_entry_id")),
        sa.ForeignKeyConstraint(["gap_id"], ["gaps.id"], name=op.f("fk_notices_gap_id")),
        sa.ForeignKeyConstraint(["rulebook_id"], ["rulebook_texts.id"], name=op.f("fk_notices_rulebook_id")),
        sa.ForeignKeyConstraint(["seen_by_id"], ["people.id"], name=op.f("fk_notices_seen_by_id")),
        sa.ForeignKeyConstraint(["signed_by_id"], ["people.id"], name=op.f("fk_notices_signed_by_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_notices_unit_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_notices_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("number", name=op.f("uq_notices_number")),
        sa.UniqueConstraint("once", name=op.f("uq_notices_once")),
    )
    op.create_index("ix_notices_entry_id", "notices", ["entry_id"])
    op.create_index(
        "ix_notices_one_open_correction",
        "notices",
        ["entry_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'correction' AND status IN ('draft', 'dispatched', 'signed')"),
        postgresql_where=sa.text("kind = 'correction' AND status IN ('draft', 'dispatched', 'signed')"),
    )
    op.create_index("ix_notices_status", "notices", ["status"])
    op.create_index("ix_notices_unit_id", "notices", ["unit_id"])

    op.create_table(
        "applications",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "withdrawal",
                "extension",
                "category",
                "sharing",
                name="applicationkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "asked",
                "consented",
                "granted",
                "refused",
                "cancelled",
                name="applicationstatus",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("unit_id", IDENTITY, nullable=False),
        sa.Column("owner_id", IDENTITY, nullable=True),
        sa.Column("entry_id", IDENTITY, nullable=True),
        sa.Column("notice_id", IDENTITY, nullable=True),
        sa.Column("path", sa.String(length=256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by_id", IDENTITY, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consented_by_id", IDENTITY, nullable=True),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", IDENTITY, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'sharing') = (owner_id IS NOT NULL)", name=op.f("ck_applications_sharing_names_the_owner")
        ),
        sa.CheckConstraint("kind <> 'category' OR path <> ''", name=op.f("ck_applications_category_names_the_path")),
        sa.CheckConstraint(
            "kind <> 'extension' OR (notice_id IS NOT NULL AND until IS NOT NULL)",
            name=op.f("ck_applications_extension_complete"),
        ),
        sa.CheckConstraint(
            "kind <> 'withdrawal' OR entry_id IS NOT NULL", name=op.f("ck_applications_withdrawal_names_the_entry")
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_applications_reason_given")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["people.id"], name=op.f("fk_applications_asked_by_id")),
        sa.ForeignKeyConstraint(["consented_by_id"], ["people.id"], name=op.f("fk_applications_consented_by_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["people.id"], name=op.f("fk_applications_decided_by_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_applications_entry_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_applications_notice_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["units.id"], name=op.f("fk_applications_owner_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_applications_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(
        "ix_applications_one_open_extension",
        "applications",
        ["notice_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'extension' AND status IN ('asked', 'consented')"),
        postgresql_where=sa.text("kind = 'extension' AND status IN ('asked', 'consented')"),
    )
    op.create_index(
        "ix_applications_one_open_withdrawal",
        "applications",
        ["entry_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'withdrawal' AND status IN ('asked', 'consented')"),
        postgresql_where=sa.text("kind = 'withdrawal' AND status IN ('asked', 'consented')"),
    )
    op.create_index("ix_applications_owner_id", "applications", ["owner_id"])
    op.create_index("ix_applications_status", "applications", ["status"])
    op.create_index("ix_applications_unit_id", "applications", ["unit_id"])

    op.create_table(
        "clocks",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("notice_id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=256), nullable=False),
        sa.Column("limit", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("warn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("started_at <= due_at", name=op.f("ck_clocks_runs_forward")),
        sa.CheckConstraint("stopped_at IS NULL OR next_at IS NULL", name=op.f("ck_clocks_stopped_needs_no_look")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_clocks_notice_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clocks")),
        sa.UniqueConstraint("notice_id", "name", name=op.f("uq_clocks_notice_id_name")),
    )
    op.create_index("ix_clocks_next_at", "clocks", ["next_at"])

    op.create_table(
        "notice_versions",
        sa.Column("notice_id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_notice_versions_notice_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_notice_versions_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("notice_id", "version_id", name=op.f("pk_notice_versions")),
    )
    op.create_table(
        "call_tasks",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("clock_id", IDENTITY, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("called_by_id", IDENTITY, nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["called_by_id"], ["people.id"], name=op.f("fk_call_tasks_called_by_id")),
        sa.ForeignKeyConstraint(["clock_id"], ["clocks.id"], name=op.f("fk_call_tasks_clock_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_tasks")),
        sa.UniqueConstraint("clock_id", "ordinal", name=op.f("uq_call_tasks_clock_id_ordinal")),
    )
    op.create_table(
        "clock_events",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("clock_id", IDENTITY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "started",
                "warned",
                "expired",
                "second_notice",
                "call_list",
                "extended",
                "stopped",
                name="clockeventkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", IDENTITY, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("fk_clock_events_actor_id")),
        sa.ForeignKeyConstraint(["clock_id"], ["clocks.id"], name=op.f("fk_clock_events_clock_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_events")),
        sa.UniqueConstraint("clock_id", "kind", "ordinal", name=op.f("uq_clock_events_clock_id_kind_ordinal")),
    )
    op.bulk_insert(
        sa.table("audit_head", sa.column("id"), sa.column("seq"), sa.column("hash")),
        [{"id": 1, "seq": 0, "hash": "0" * 64}],
    )
    op.drop_column("regions", "rulebook")
    op.add_column("categories", sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.execute(
        "ALTER TABLE entries ADD COLUMN origin VARCHAR(24) DEFAULT 'unit' NOT NULL"
        " CONSTRAINT ck_entries_origin CHECK (origin IN ('unit', 'work_order', 'office', 'sync'))"
    )
    op.add_column("people", sa.Column("mail", sa.String(length=256), server_default="", nullable=False))
    op.add_column("entries", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("entries", sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True))
    for name, kind in (("step", sa.String(length=64)), ("rule", sa.String(length=256)), ("ticked", sa.Text())):
        op.add_column("transitions", sa.Column(name, kind, server_default="", nullable=False))
    op.add_column("versions", sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("versions", sa.Column("route", sa.String(length=32), server_default="", nullable=False))
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE versions ADD COLUMN rulebook_id {number}"
        " CONSTRAINT fk_versions_rulebook_id REFERENCES rulebook_texts (id)"
    )
    op.add_column("versions", sa.Column("gates_passed", sa.Integer(), server_default="0", nullable=False))
    op.add_column("versions", sa.Column("emergency", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("versions", sa.Column("takes_effect_at", sa.DateTime(timezone=True), nullable=True))
    _index_versions()


def _index_versions() -> None:
    """What is asked for every second, among versions of which few are so."""
    op.create_index(
        "ix_versions_takes_effect_at",
        "versions",
        ["takes_effect_at"],
        sqlite_where=sa.text("takes_effect_at IS NOT NULL"),
        postgresql_where=sa.text("takes_effect_at IS NOT NULL"),
    )
    op.create_index(
        "ix_versions_expiring",
        "versions",
        ["valid_to"],
        sqlite_where=sa.text("status = 'published'"),
        postgresql_where=sa.text("status = 'published'"),
    )
    op.create_index(
        "ix_versions_emergency",
        "versions",
        ["status"],
        sqlite_where=sa.text("emergency = 1"),
        postgresql_where=sa.text("emergency"),
    )


def _only_add_to(table: str) -> None:
    """The database itself refuses to change or remove a row. (An owner of the database can lift this; then the chain
    of hashes tells.)"""
    refusal = f"{table} is only ever added to"
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_only_added_to() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_only_added_to()"
    )


def downgrade() -> None:
    raise RuntimeError(
        "going back would throw away notices and the audit log: restore the backup made before upgrading"
    )
