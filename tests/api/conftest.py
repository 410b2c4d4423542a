"""What several tests of pages begin with."""

import pytest
from sqlalchemy.orm import Session

from api.wiring import Services
from models.knowledge import Version
from tests.cast import LOST_CARD, RESIDENCE_PERMIT, Cast, published


@pytest.fixture
def entry(base: Session, people: Cast, services: Services) -> Version:
    """A live, searchable entry, beside one of another unit."""
    version = published(base, LOST_CARD, code="SB-001")
    published(base, RESIDENCE_PERMIT, code="HJ-001")
    services.follower.catch_up()
    return version
