"""Long lists in pages: which page, in which order, and the addresses that lead to the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

PAGE_SIZE = 50
"""Rows of one page: about two screens, and a page weighs less than 60 kB."""


@dataclass(frozen=True)
class Listing:
    """One page of a list; filters and order live in the address, so that it can be kept and sent."""

    path: str
    filters: Mapping[str, str]
    """What is set, by the name it has in the address, without the page."""
    page: int
    count: int

    @property
    def page_count(self) -> int:
        return max(1, -(-self.count // PAGE_SIZE))

    @property
    def address(self) -> str:
        """Of this page itself."""
        return self._address({"page": str(self.page)})

    @property
    def previous_address(self) -> str:
        """Empty on the first page."""
        return self._address({"page": str(self.page - 1)}) if self.page > 1 else ""

    @property
    def next_address(self) -> str:
        """Empty on the last page."""
        return self._address({"page": str(self.page + 1)}) if self.page < self.page_count else ""

    def sorted_by(self, column: str) -> str:
        """Address of the same list ordered by the column; ordered by it already, the other way round."""
        return self._address({"sort": f"-{column}" if self.filters.get("sort") == column else column})

    def arrow(self, column: str) -> str:
        """aria-sort of the column's head."""
        order = {column: "ascending", f"-{column}": "descending"}
        return order.get(self.filters.get("sort", ""), "none")

    def _address(self, change: Mapping[str, str]) -> str:
        query = {name: value for name, value in {**self.filters, **change}.items() if value}
        if query.get("page") == "1":
            del query["page"]
        return f"{self.path}?{urlencode(query)}" if query else self.path


def offset_of(page: int) -> int:
    """Rows to pass over."""
    return (page - 1) * PAGE_SIZE
