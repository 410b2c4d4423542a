"""The first form of the database: organisation, knowledge and its history, questions and verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _choice(*values: str, name: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


TABLES = (
    "verdicts",
    "transitions",
    "shown_answers",
    "phrasings",
    "keywords",
    "bases",
    "attachments",
    "versions",
    "entries",
    "role_grants",
    "gaps",
    "categories",
    "units",
    "questions",
    "login_sessions",
    "api_tokens",
    "regions",
    "people",
    "failed_logins",
    "code_numbers",
    "change_log",
)
"""Each stands before those it points to."""


def upgrade() -> None:
    op.create_table(
        "change_log",
        sa.Column("seq", IDENTITY, autoincrement=True, nullable=False),
        sa.Column("entry_id", IDENTITY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_change_log")),
        sqlite_autoincrement=True,
    )
    numbers = op.create_table(
        "code_numbers",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("last", IDENTITY, nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_code_numbers_only_row")),
        sa.CheckConstraint("last >= 0", name=op.f("ck_code_numbers_counts_from_zero")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_numbers")),
    )
    op.bulk_insert(numbers, [{"id": 1, "last": 0, "given": False}])
    op.create_table(
        "failed_logins",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_logins")),
    )
    op.create_index("ix_failed_logins_login_at", "failed_logins", ["login", "at"], unique=False)
    op.create_table(
        "people",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("login", name=op.f("uq_people_login")),
    )
    op.create_table(
        "regions",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("level", _choice("city", "county", name="level"), nullable=False),
        sa.Column("parent_id", IDENTITY, nullable=True),
        sa.Column("rulebook", sa.String(length=64), nullable=True),
        sa.CheckConstraint("(level = 'city') = (parent_id IS NULL)", name=op.f("ck_regions_city_has_no_parent")),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_regions_not_its_own_parent")),
        sa.ForeignKeyConstraint(["parent_id"], ["regions.id"], name=op.f("fk_regions_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regions")),
        sa.UniqueConstraint("name", name=op.f("uq_regions_name")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_api_tokens_person_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_person_id"), "api_tokens", ["person_id"], unique=False)
    op.create_table(
        "login_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_login_sessions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_login_sessions")),
    )
    op.create_index(op.f("ix_login_sessions_expires_at"), "login_sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_login_sessions_person_id"), "login_sessions", ["person_id"], unique=False)
    op.create_table(
        "questions",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("person_id", IDENTITY, nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", _choice("direct", "choose", "none", name="outcome"), nullable=False),
        sa.Column("took_ms", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_questions_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
    )
    op.create_index(op.f("ix_questions_asked_at"), "questions", ["asked_at"], unique=False)
    op.create_index(op.f("ix_questions_person_id"), "questions", ["person_id"], unique=False)
    op.create_table(
        "units",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("level", _choice("city", "county", name="level"), nullable=False),
        sa.Column("region_id", IDENTITY, nullable=False),
        sa.Column("counterpart_id", IDENTITY, nullable=True),
        sa.Column("phone", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "counterpart_id IS NULL OR level = 'county'",
            name=op.f("ck_units_only_county_units_have_counterparts"),
        ),
        sa.ForeignKeyConstraint(["counterpart_id"], ["units.id"], name=op.f("fk_units_counterpart_id")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_units_region_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint("name", name=op.f("uq_units_name")),
    )
    op.create_index(op.f("ix_units_region_id"), "units", ["region_id"], unique=False)
    op.create_table(
        "categories",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("unit_id", IDENTITY, nullable=False),
        sa.Column("path", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_categories_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("unit_id", "path", name=op.f("uq_categories_unit_id_path")),
    )
    op.create_table(
        "gaps",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("question_id", IDENTITY, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("text <> ''", name=op.f("ck_gaps_not_empty")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_gaps_person_id")),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_gaps_question_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
        sa.UniqueConstraint("question_id", name=op.f("uq_gaps_question_id")),
    )
    op.create_index("ix_gaps_at", "gaps", ["at"], unique=False)
    op.create_table(
        "role_grants",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column(
            "role",
            _choice(
                "agent",
                "editor",
                "reviewer",
                "unit_leader",
                "county_office",
                "city_office",
                "analyst",
                "administrator",
                name="role",
            ),
            nullable=False,
        ),
        sa.Column("unit_id", IDENTITY, nullable=True),
        sa.Column("region_id", IDENTITY, nullable=True),
        sa.CheckConstraint(
            "(role = 'county_office') = (region_id IS NOT NULL)",
            name=op.f("ck_role_grants_county_office_names_a_region"),
        ),
        sa.CheckConstraint(
            "(role IN ('editor', 'reviewer', 'unit_leader')) = (unit_id IS NOT NULL)",
            name=op.f("ck_role_grants_unit_roles_name_a_unit"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_role_grants_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_role_grants_region_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_role_grants_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grants")),
    )
    for name, columns, where in (
        ("ix_role_grants_one_unit", ["person_id", "role", "unit_id"], "unit_id IS NOT NULL"),
        ("ix_role_grants_one_region", ["person_id", "role", "region_id"], "region_id IS NOT NULL"),
        ("ix_role_grants_one_role", ["person_id", "role"], "unit_id IS NULL AND region_id IS NULL"),
    ):
        op.create_index(
            name, "role_grants", columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    op.create_index(op.f("ix_role_grants_person_id"), "role_grants", ["person_id"], unique=False)
    op.create_index(op.f("ix_role_grants_unit_id"), "role_grants", ["unit_id"], unique=False)
    op.create_table(
        "entries",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("unit_id", IDENTITY, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> ''", name=op.f("ck_entries_code_not_empty")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_entries_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("code", name=op.f("uq_entries_code")),
    )
    op.create_index(op.f("ix_entries_unit_id"), "entries", ["unit_id"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("entry_id", IDENTITY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            _choice(
                "draft",
                "submitted",
                "checked",
                "published",
                "superseded",
                "expired",
                "invalid",
                "withdrawn",
                name="versionstatus",
            ),
            nullable=False,
        ),
        sa.Column("region_id", IDENTITY, nullable=False),
        sa.Column("category_id", IDENTITY, nullable=True),
        sa.Column("spoken", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("publicity", _choice("public", "internal", name="publicity"), nullable=False),
        sa.Column("info_type", sa.String(length=32), nullable=False),
        sa.Column("created_by_id", IDENTITY, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status <> 'published' OR published_at IS NOT NULL",
            name=op.f("ck_versions_published_has_a_moment"),
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_versions_numbered_from_one")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_from IS NULL OR valid_from < valid_to",
            name=op.f("ck_versions_validity_in_order"),
        ),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_versions_category_id")),
        sa.ForeignKeyConstraint(["created_by_id"], ["people.id"], name=op.f("fk_versions_created_by_id")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_versions_region_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_versions_entry_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("entry_id", "number", name=op.f("uq_versions_entry_id_number")),
    )
    op.create_index(
        "ix_versions_one_live",
        "versions",
        ["entry_id"],
        unique=True,
        sqlite_where=sa.text("status = 'published'"),
        postgresql_where=sa.text("status = 'published'"),
    )
    op.create_index(op.f("ix_versions_category_id"), "versions", ["category_id"], unique=False)
    op.create_index(op.f("ix_versions_status"), "versions", ["status"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("filename", sa.String(length=256), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_attachments_sha256_complete")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_attachments_size_counted")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_attachments_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint("version_id", "filename", name=op.f("uq_attachments_version_id_filename")),
    )
    op.create_index(op.f("ix_attachments_sha256"), "attachments", ["sha256"], unique=False)
    op.create_table(
        "bases",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", sa.String(length=256), nullable=False),
        sa.Column("number", sa.String(length=128), nullable=False),
        sa.Column("attachment_count", sa.Integer(), nullable=False),
        sa.CheckConstraint("document <> ''", name=op.f("ck_bases_document_named")),
        sa.CheckConstraint("attachment_count >= 0", name=op.f("ck_bases_attachments_counted")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_bases_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bases")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_bases_version_id_position")),
    )
    op.create_table(
        "keywords",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_keywords_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keywords")),
        sa.UniqueConstraint("version_id", "text", name=op.f("uq_keywords_version_id_text")),
    )
    op.create_table(
        "phrasings",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("kind", _choice("standard", "similar", name="phrasingkind"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.CheckConstraint(
            "(position = 0) = (kind = 'standard')", name=op.f("ck_phrasings_standard_question_comes_first")
        ),
        sa.CheckConstraint("text <> ''", name=op.f("ck_phrasings_not_empty")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_phrasings_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phrasings")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_phrasings_version_id_position")),
    )
    op.create_index("ix_phrasings_text", "phrasings", ["text"], unique=False)
    op.create_table(
        "shown_answers",
        sa.Column("question_id", IDENTITY, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_shown_answers_ranked_from_one")),
        sa.CheckConstraint("score >= 0 AND score <= 1", name=op.f("ck_shown_answers_score_is_a_probability")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["questions.id"], name=op.f("fk_shown_answers_question_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_shown_answers_version_id")),
        sa.PrimaryKeyConstraint("question_id", "rank", name=op.f("pk_shown_answers")),
    )
    op.create_index(op.f("ix_shown_answers_version_id"), "shown_answers", ["version_id"], unique=False)
    op.create_table(
        "transitions",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column(
            "from_status",
            _choice(
                "draft",
                "submitted",
                "checked",
                "published",
                "superseded",
                "expired",
                "invalid",
                "withdrawn",
                name="from_status",
            ),
            nullable=True,
        ),
        sa.Column(
            "to_status",
            _choice(
                "draft",
                "submitted",
                "checked",
                "published",
                "superseded",
                "expired",
                "invalid",
                "withdrawn",
                name="to_status",
            ),
            nullable=False,
        ),
        sa.Column("actor_id", IDENTITY, nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("fk_transitions_actor_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_transitions_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
    )
    op.create_index(op.f("ix_transitions_version_id"), "transitions", ["version_id"], unique=False)
    op.create_table(
        "verdicts",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("question_id", IDENTITY, nullable=False),
        sa.Column("version_id", IDENTITY, nullable=False),
        sa.Column("person_id", IDENTITY, nullable=False),
        sa.Column("judgement", _choice("correct", "incorrect", name="judgement"), nullable=False),
        sa.Column(
            "reason",
            _choice("unclear", "incomplete", "inaccurate", "outdated", "off_topic", "other", name="faultreason"),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(judgement = 'incorrect') = (reason IS NOT NULL)", name=op.f("ck_verdicts_a_fault_has_a_reason")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_verdicts_person_id")),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_verdicts_question_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_verdicts_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
        sa.UniqueConstraint(
            "question_id",
            "version_id",
            "person_id",
            name=op.f("uq_verdicts_question_id_version_id_person_id"),
        ),
    )
    op.create_index(op.f("ix_verdicts_question_id"), "verdicts", ["question_id"], unique=False)
    op.create_index(op.f("ix_verdicts_version_id"), "verdicts", ["version_id"], unique=False)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
