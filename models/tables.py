"""Every mapped table, imported in one place, so that ``Base.metadata`` is whole."""

from models import knowledge, organisation, thesaurus, usage  # noqa: F401 - importing them fills the metadata
from models.base import Base

METADATA = Base.metadata
