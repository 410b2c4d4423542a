"""HTML of other systems' answers as Markdown: sanitised first, then rewritten."""

import re

import nh3

from ingest.limits import MAX_HTML_CHARACTERS, MAX_HTML_DEPTH, MAX_HTML_ELEMENTS

TAGS = {
    *("p", "br", "div", "span", "hr", "blockquote", "pre", "code", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("ul", "ol", "li", "b", "strong", "i", "em", "u", "s", "del", "sup", "sub", "a", "img"),
    *("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"),
}
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt"}, "td": {"colspan"}, "th": {"colspan"}}
DROPPED_WITH_CONTENT = {"script", "style"}
SCHEMES = {"http", "https", "mailto", "tel"}
BLOCK = r"p|br|div|span|hr|h[1-6]|ul|ol|li|font|img|table|tr|td|th|tbody|thead|section|blockquote|link|script|style"
INLINE = "b|strong|i|em|u|a"
MARKUP = re.compile(rf"<({BLOCK})(\s[^<>]*)?/?>|</({BLOCK}|{INLINE})>", re.IGNORECASE)
"""An inline tag must also close: "a<b>c" is arithmetic."""
FORMATTING = re.compile(r"<(?:b|big|code|em|font|i|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
"""A formatting tag with attributes. Left open, each different one is opened again in every block that follows."""
ALIKE_KEPT_OPEN = 36
"""Twelve formatting tags, of each three alike (HTML standard 13.2.4.3, "Noah's Ark clause")."""
TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)")
VOID = {"br", "hr", "img"}
BLANK_LINES = re.compile(r"\n[ \t\u00a0]*(\n[ \t\u00a0]*)+\n")


class TooComplex(ValueError):
    """HTML that is too long or too deeply nested to be rewritten; the message says so to people."""


def looks_like_html(text: str) -> bool:
    """Whether the text holds a tag that people's editors write; "<18 周岁" is none."""
    return bool(MARKUP.search(text))


def to_markdown(html: str) -> str:
    """The same content as Markdown; scripts, styles and unknown tags are gone, tables and links stay.

    Raises TooComplex.
    """
    _check_source(html)
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        clean_content_tags=DROPPED_WITH_CONTENT,
        url_schemes=SCHEMES,
        link_rel=None,
    )
    _check_length(clean)
    _check_depth(clean)
    from markdownify import markdownify  # noqa: PLC0415 - only imports need it, and what it brings along is large

    text = str(markdownify(clean, heading_style="ATX", bullets="-"))
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return BLANK_LINES.sub("\n\n", lines).strip()


def _check_source(html: str) -> None:
    _check_length(html)
    if (len(FORMATTING.findall(html)) + ALIKE_KEPT_OPEN) * html.count("<") > MAX_HTML_ELEMENTS:
        raise TooComplex("网页标签过多，请粘贴为纯文字后再导入。")


def _check_length(html: str) -> None:
    if len(html) > MAX_HTML_CHARACTERS:
        raise TooComplex(f"含网页标签共 {len(html)} 个字符，最多 {MAX_HTML_CHARACTERS} 个，请粘贴为纯文字后再导入。")


def _check_depth(clean: str) -> None:
    """``clean`` is well formed: what was opened is closed, and no text or attribute looks like a tag but for tags."""
    depth = 0
    for closing, name in TAG.findall(clean):
        depth += 0 if name in VOID else -1 if closing else 1
        if depth > MAX_HTML_DEPTH:
            raise TooComplex(f"网页标签嵌套超过 {MAX_HTML_DEPTH} 层，请粘贴为纯文字后再导入。")
