"""Every mapped table, imported in one place, so that ``Base.metadata`` is whole."""

from models import (  # noqa: F401 - importing them fills the metadata
    audit,
    bench,
    duties,
    feeding,
    improvement,
    incoming,
    knowledge,
    messages,
    notices,
    organisation,
    rules,
    thesaurus,
    usage,
)
from models.base import Base

METADATA = Base.metadata
