"""The weights that searches use: those that come with the product, or those that were promoted in their place."""

import logging
from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from api.repeating import Repeating
from kb_admin.ranker_fits import in_force
from models.improvement import RankerFit
from retrieval.embedded import weights_for
from retrieval.encoder import Encoder
from retrieval.ranker import Ranker, Thresholds
from retrieval.service_index import ServiceIndex

LOOK_SECONDS = 2.0
"""Promoted or taken back, weights are in use in all processes within about this time."""

log = logging.getLogger(__name__)


class WeightsWatch(Repeating):
    """Lets the index of this process search with the weights that are in force."""

    def __init__(
        self,
        open_session: sessionmaker[Session],
        index: ServiceIndex,
        thresholds_of: Callable[[Ranker], Thresholds],
    ) -> None:
        super().__init__("weights", self.look, every_seconds=LOOK_SECONDS)
        self._open_session = open_session
        self._index = index
        self._thresholds_of = thresholds_of
        self._used: int | None = None
        """Id of the fit; None: those that come with the product."""
        self.unusable: int | None = None
        """Id of the fit in force, where those that come with the product have to do instead."""

    def look(self) -> int | None:
        """Use what is in force now; the id of the fit, None for the weights that come with the product."""
        name = self._name()
        with self._open_session() as session:
            fit = in_force(session, name)
            wanted = fit.id if fit is not None else None
            if wanted != self._used:
                fitted = self._ranker_of(fit) if fit is not None else None
                ranker = fitted or Ranker.load(name)
                self.unusable = wanted if fitted is None else None
                self._index.use_weights(ranker, self._thresholds_of(ranker))
                self._used = wanted
        return wanted

    def _name(self) -> str:
        means = self._index.means
        return weights_for(means.encoder, means.reader)

    def _ranker_of(self, fit: RankerFit) -> Ranker | None:
        """None, told in the log, where the fit was made for another model or version."""
        encoder = self._index.means.encoder
        if fit.comparison.get("model", "") != fingerprint_of(encoder):
            log.warning("第 %s 次拟合的权重是用另一个语义模型得出的，不能使用，改用随产品的权重。", fit.id)
            return None
        try:
            return Ranker.read(fit.weights)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("第 %s 次拟合的权重不适用于现在的程序（%s），改用随产品的权重。", fit.id, error)
            return None


def fingerprint_of(encoder: object) -> str:
    """Which model weights were fitted with; empty without one."""
    return encoder.fingerprint if isinstance(encoder, Encoder) else ""
