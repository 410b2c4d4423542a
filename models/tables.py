"""Every mapped table, imported in one place, so that ``Base.metadata`` is whole."""

from models import knowledge, organisation, usage
from models.base import Base

METADATA = Base.metadata
MODULES = (organisation, knowledge, usage)
