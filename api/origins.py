"""Whether a request was made by our own pages: browsers send the login cookie along for other sites' links, too."""

from enum import Enum
from urllib.parse import urlsplit

from starlette.datastructures import Headers


class Sender(Enum):
    """Whose page made the browser send a request, or the person alone by the address bar: that counts as ours."""

    OURS = "ours"
    ANOTHER = "another"
    UNSAID = "unsaid"
    """No browser, or one that tells nothing."""


def sender_of(headers: Headers) -> Sender:
    """What the browser attests of the page that made it send the request.

    On https and localhost that is Sec-Fetch-Site. Over plain http browsers leave it out, then Origin or Referer
    tells, compared with Host: a proxy in front must pass on the Host that it was asked for.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return Sender.OURS if site in ("same-origin", "none") else Sender.ANOTHER
    page = headers.get("Origin") or headers.get("Referer")
    if not page:
        return Sender.UNSAID
    return Sender.OURS if _is_at(page, headers.get("Host", "")) else Sender.ANOTHER


def _is_at(page: str, host: str) -> bool:
    """Whether the page's address names that host and port; "null", the origin of nowhere, names none."""
    try:
        named, ours = urlsplit(page), urlsplit(f"//{host}")
        usual = 443 if named.scheme == "https" else 80
        there, here = (named.hostname, named.port or usual), (ours.hostname, ours.port or usual)
    except ValueError:  # a port or a bracket that cannot be
        return False
    return named.hostname is not None and there == here
