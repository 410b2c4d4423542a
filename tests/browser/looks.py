"""What is asked of every page: nothing that axe calls serious in either theme, and no sideways scrolling."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

HALF_SCREEN = (640, 860)
SERIOUS = ("serious", "critical")
_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""All rules about colours that axe asks unless told otherwise."""


def serious_faults(page: Page) -> list[tuple[str, str]]:
    """Rule and first place of each serious fault, in the page's own theme."""
    return _serious(page, {})


def faults_in_both_themes(page: Page) -> list[tuple[str, str]]:
    """As ``serious_faults``, then in the dark; there only colours are looked at, for nothing else changes."""
    light = serious_faults(page)
    page.emulate_media(color_scheme="dark")
    dark = _serious(page, _COLOURS)
    page.emulate_media(color_scheme="light")
    return light + dark


def needs_sideways_scrolling(page: Page) -> bool:
    """Whether the page, opened anew at half a screen, is wider than that."""
    at_half_a_screen(page)
    return int(page.evaluate("document.documentElement.scrollWidth")) > HALF_SCREEN[0]


def at_half_a_screen(page: Page) -> Page:
    """The page opened anew in half the width."""
    page.set_viewport_size({"width": HALF_SCREEN[0], "height": HALF_SCREEN[1]})
    page.reload()
    return page


def _serious(page: Page, options: dict[str, list[str]]) -> list[tuple[str, str]]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate(
        "([options, serious]) => axe.run({resultTypes: ['violations'], ...options}).then((said) => said.violations"
        ".filter((fault) => serious.includes(fault.impact)).map((fault) => [fault.id, fault.nodes[0].html]))",
        [options, SERIOUS],
    )
    return [(rule, place) for rule, place in found]
