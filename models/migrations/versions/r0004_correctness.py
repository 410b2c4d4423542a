"""What makes the base better: calls as they happened, verdicts of agents and citizens, defences, groups of unanswered
questions, what was learnt, test sets and their runs.

``verdicts`` is made anew, since SQLite cannot make a column nullable; nothing hangs on its rows. The verdicts that are
there were all given by agents, outside any call.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "progress",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", IDENTITY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_progress")),
    )
    op.create_table(
        "service_keys",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_service_keys")),
    )
    op.create_table(
        "ranker_fits",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("weights_name", sa.String(length=32), nullable=False),
        sa.Column("weights", sa.JSON(), nullable=False),
        sa.Column("comparison", sa.JSON(), nullable=False),
        sa.Column("made_by_id", IDENTITY, nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "undone_at IS NULL OR promoted_at IS NOT NULL", name=op.f("ck_ranker_fits_only_the_promoted_is_undone")
        ),
        sa.ForeignKeyConstraint(["made_by_id"], ["people.id"], name=op.f("fk_ranker_fits_made_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranker_fits")),
    )
    op.create_table(
        "test_sets",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=256), nullable=False),
        sa.Column("created_by_id", IDENTITY, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by_id"], ["people.id"], name=op.f("fk_test_sets_created_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_sets")),
        sa.UniqueConstraint("name", name=op.f("uq_test_sets_name")),
    )
    op.create_table(
        "test_cases",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("set_id", IDENTITY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("expected", sa.JSON(), nullable=False),
        sa.CheckConstraint("question <> ''", name=op.f("ck_test_cases_not_empty")),
        sa.ForeignKeyConstraint(["set_id"], ["test_sets.id"], name=op.f("fk_test_cases_set_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_cases")),
        sa.UniqueConstraint("set_id", "number", name=op.f("uq_test_cases_set_id_number")),
    )
    op.create_table(
        "test_runs",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("set_id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "waiting",
                "running",
                "done",
                "failed",
                "stopped",
                name="runstatus",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("circumstances", sa.JSON(), nullable=False),
        sa.Column("started_by_id", IDENTITY, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("runner", sa.String(length=128), server_default="", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["set_id"], ["test_sets.id"], name=op.f("fk_test_runs_set_id")),
        sa.ForeignKeyConstraint(["started_by_id"], ["people.id"], name=op.f("fk_test_runs_started_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_runs")),
    )
    op.create_index("ix_test_runs_set_id", "test_runs", ["set_id"])
    op.create_index("ix_test_runs_status", "test_runs", ["status"])

    op.create_table(
        "proposals",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum("similar", "synonym", name="proposalkind", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "accepted",
                "rejected",
                "undone",
                name="proposalstatus",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("entry_id", IDENTITY, nullable=True),
        sa.Column("text", sa.String(length=512), nullable=False),
        sa.Column("other", sa.String(length=128), server_default="", nullable=False),
        sa.Column("support", sa.Integer(), server_default="0", nullable=False),
        sa.Column("against", sa.Integer(), server_default="0", nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("made_by_id", IDENTITY, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", IDENTITY, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remark", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "(kind = 'similar') = (entry_id IS NOT NULL)", name=op.f("ck_proposals_a_similar_question_has_an_entry")
        ),
        sa.CheckConstraint("text <> ''", name=op.f("ck_proposals_not_empty")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["people.id"], name=op.f("fk_proposals_decided_by_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_proposals_entry_id")),
        sa.ForeignKeyConstraint(["made_by_id"], ["people.id"], name=op.f("fk_proposals_made_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_entry_id", "proposals", ["entry_id"])
    op.create_index(
        "ix_proposals_one_similar",
        "proposals",
        ["entry_id", "text"],
        unique=True,
        sqlite_where=sa.text("kind = 'similar'"),
        postgresql_where=sa.text("kind = 'similar'"),
    )
    op.create_index(
        "ix_proposals_one_synonym",
        "proposals",
        ["text", "other"],
        unique=True,
        sqlite_where=sa.text("kind = 'synonym'"),
        postgresql_where=sa.text("kind = 'synonym'"),
    )
    op.create_index("ix_proposals_status", "proposals", ["status"])

    op.create_table(
        "test_results",
        sa.Column("run_id", IDENTITY, nullable=False),
        sa.Column("case_id", IDENTITY, nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("direct", "choose", "none", name="outcome", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("took_ms", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["test_cases.id"], name=op.f("fk_test_results_case_id")),
        sa.ForeignKeyConstraint(["run_id"], ["test_runs.id"], name=op.f("fk_test_results_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "case_id", name=op.f("pk_test_results")),
    )
    op.create_index("ix_test_results_case_id", "test_results", ["case_id"])

    op.create_table(
        "incoming_calls",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("team", sa.String(length=64), server_default="", nullable=False),
        sa.Column("caller", sa.String(length=64), server_default="", nullable=False),
        sa.Column(
            "matter",
            sa.Enum(
                "consultation",
                "help",
                "complaint",
                "report",
                "suggestion",
                "thanks",
                "other",
                name="matter",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ending",
            sa.Enum(
                "answered",
                "three_way",
                "expert_seat",
                "work_order",
                "refused",
                "broken_off",
                name="ending",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("version_id", IDENTITY, nullable=True),
        sa.CheckConstraint(
            "version_id IS NULL OR ending = 'answered'",
            name=op.f("ck_incoming_calls_only_answered_calls_name_a_version"),
        ),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_incoming_calls_ends_after_it_starts")
        ),
        sa.CheckConstraint(
            "ending IS NULL OR ended_at IS NOT NULL", name=op.f("ck_incoming_calls_ending_has_a_moment")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_incoming_calls_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_incoming_calls_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_calls")),
        sa.UniqueConstraint("reference", name=op.f("uq_incoming_calls_reference")),
    )
    op.create_index("ix_incoming_calls_caller_started_at", "incoming_calls", ["caller", "started_at"])
    op.create_index(
        "ix_incoming_calls_one_open",
        "incoming_calls",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_incoming_calls_person_id_ended_at", "incoming_calls", ["person_id", "ended_at"])
    op.create_index("ix_incoming_calls_started_at", "incoming_calls", ["started_at"])
    op.create_index("ix_incoming_calls_version_id", "incoming_calls", ["version_id"])

    op.create_table(
        "answer_uses",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("question_id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum("opened", "copied", name="usekind", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["questions.id"], name=op.f("fk_answer_uses_question_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_answer_uses_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_uses")),
        sa.UniqueConstraint(
            "question_id", "version_id", "kind", name=op.f("uq_answer_uses_question_id_version_id_kind")
        ),
    )
    op.create_index("ix_answer_uses_version_id", "answer_uses", ["version_id"])

    op.create_table(
        "rating_links",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("call_id", IDENTITY, nullable=False),
        sa.Column("question_id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("created_by_id", IDENTITY, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(token_hash) = 64", name=op.f("ck_rating_links_hash_complete")),
        sa.ForeignKeyConstraint(["call_id"], ["incoming_calls.id"], name=op.f("fk_rating_links_call_id")),
        sa.ForeignKeyConstraint(["created_by_id"], ["people.id"], name=op.f("fk_rating_links_created_by_id")),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_rating_links_question_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_rating_links_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating_links")),
        sa.UniqueConstraint("call_id", "version_id", name=op.f("uq_rating_links_call_id_version_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_rating_links_token_hash")),
    )
    op.create_table(
        "defences",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("notice_id", IDENTITY, nullable=False),
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
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by_id", IDENTITY, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", IDENTITY, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_defences_reason_given")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["people.id"], name=op.f("fk_defences_asked_by_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["people.id"], name=op.f("fk_defences_decided_by_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_defences_notice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_defences")),
    )
    op.create_index("ix_defences_notice_id", "defences", ["notice_id"])
    op.create_index(
        "ix_defences_one_open",
        "defences",
        ["notice_id"],
        unique=True,
        sqlite_where=sa.text("status = 'consented'"),
        postgresql_where=sa.text("status = 'consented'"),
    )
    op.create_index("ix_defences_status", "defences", ["status"])

    op.create_table(
        "gap_groups",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "sent",
                "proposed",
                "answered",
                "dismissed",
                name="gapstatus",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("standard_question", sa.Text(), server_default="", nullable=False),
        sa.Column("unit_id", IDENTITY, nullable=True),
        sa.Column("entry_id", IDENTITY, nullable=True),
        sa.Column("notice_id", IDENTITY, nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("encoder", sa.String(length=64), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_by_id", IDENTITY, nullable=True),
        sa.Column("remark", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "(status IN ('answered', 'dismissed')) = (closed_at IS NOT NULL)",
            name=op.f("ck_gap_groups_closed_has_a_moment"),
        ),
        sa.CheckConstraint("label <> ''", name=op.f("ck_gap_groups_label_not_empty")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_gap_groups_entry_id")),
        sa.ForeignKeyConstraint(["handled_by_id"], ["people.id"], name=op.f("fk_gap_groups_handled_by_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_gap_groups_notice_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_gap_groups_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap_groups")),
    )
    op.create_index("ix_gap_groups_notice_id", "gap_groups", ["notice_id"])
    op.create_index("ix_gap_groups_status", "gap_groups", ["status"])
    op.create_index("ix_gap_groups_unit_id", "gap_groups", ["unit_id"])

    op.create_table(
        "gap_items",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("group_id", IDENTITY, nullable=True),
        sa.Column("question_id", IDENTITY, nullable=True),
        sa.Column("gap_id", IDENTITY, nullable=True),
        sa.Column(
            "signal",
            sa.Enum(
                "recorded",
                "judged_wrong",
                "no_answer",
                "reformulated",
                "low_confidence",
                "abandoned",
                name="gapsignal",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lost_seconds", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("text <> ''", name=op.f("ck_gap_items_not_empty")),
        sa.CheckConstraint(
            "question_id IS NOT NULL OR gap_id IS NOT NULL", name=op.f("ck_gap_items_comes_from_somewhere")
        ),
        sa.ForeignKeyConstraint(["gap_id"], ["gaps.id"], name=op.f("fk_gap_items_gap_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["gap_groups.id"], name=op.f("fk_gap_items_group_id")),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_gap_items_question_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap_items")),
        sa.UniqueConstraint("gap_id", name=op.f("uq_gap_items_gap_id")),
        sa.UniqueConstraint("question_id", name=op.f("uq_gap_items_question_id")),
    )
    op.create_index("ix_gap_items_at", "gap_items", ["at"])
    op.create_index("ix_gap_items_group_id", "gap_items", ["group_id"])
    op.add_column("notices", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("people", sa.Column("team", sa.String(length=64), server_default="", nullable=False))
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE questions ADD COLUMN call_id {number}"
        " CONSTRAINT fk_questions_call_id REFERENCES incoming_calls (id)"
    )
    op.create_index("ix_questions_call_id", "questions", ["call_id"])
    _make_verdicts_anew()


def _make_verdicts_anew() -> None:
    op.execute("CREATE TEMPORARY TABLE former_verdicts AS SELECT * FROM verdicts")
    op.drop_table("verdicts")
    op.create_table(
        "verdicts",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("question_id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("rater", _choice("agent", "citizen", name="rater"), nullable=False),
        sa.Column("rater_key", sa.String(length=80), nullable=False),
        sa.Column("occasion", sa.String(length=32), nullable=False),
        sa.Column("person_id", IDENTITY, nullable=True),
        sa.Column("judgement", _choice("correct", "incorrect", name="judgement"), nullable=False),
        sa.Column(
            "reason",
            _choice("unclear", "incomplete", "inaccurate", "outdated", "off_topic", "other", name="faultreason"),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(judgement = 'incorrect') = (reason IS NOT NULL)", name=op.f("ck_verdicts_a_fault_has_a_reason")
        ),
        sa.CheckConstraint(
            "(rater = 'agent') = (person_id IS NOT NULL)", name=op.f("ck_verdicts_agents_are_people_we_know")
        ),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_verdicts_question_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_verdicts_version_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_verdicts_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
        sa.UniqueConstraint(
            "occasion", "version_id", "rater_key", name=op.f("uq_verdicts_occasion_version_id_rater_key")
        ),
    )
    op.create_index("ix_verdicts_question_id", "verdicts", ["question_id"])
    op.create_index("ix_verdicts_person_id", "verdicts", ["person_id"])
    op.create_index("ix_verdicts_version_id_at", "verdicts", ["version_id", "at"])
    op.create_index("ix_verdicts_rater_key_at", "verdicts", ["rater_key", "at"])
    op.execute(
        "INSERT INTO verdicts (id, question_id, version_id, rater, rater_key, occasion, person_id, judgement, reason,"
        " note, given_at, at) SELECT id, question_id, version_id, 'agent', 'person:' || person_id,"
        " 'question:' || question_id, person_id, judgement, reason, note, at, at FROM former_verdicts"
    )
    op.execute("DROP TABLE former_verdicts")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "SELECT setval(pg_get_serial_sequence('verdicts', 'id'), (SELECT coalesce(max(id), 1) FROM verdicts),"
            " EXISTS (SELECT FROM verdicts))"
        )


def _choice(*values: str, name: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def downgrade() -> None:
    raise RuntimeError("going back would throw away calls and verdicts: restore the backup made before upgrading")
