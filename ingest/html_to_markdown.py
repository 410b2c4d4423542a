"""HTML of other systems' answers as Markdown: sanitised first, then rewritten."""

import re

import nh3
from markdownify import markdownify

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
BLANK_LINES = re.compile(r"\n[ \t\u00a0]*(\n[ \t\u00a0]*)+\n")


def looks_like_html(text: str) -> bool:
    """Whether the text holds a tag that people's editors write; "<18 周岁" is none."""
    return bool(MARKUP.search(text))


def to_markdown(html: str) -> str:
    """The same content as Markdown; scripts, styles and unknown tags are gone, tables and links stay."""
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        clean_content_tags=DROPPED_WITH_CONTENT,
        url_schemes=SCHEMES,
        link_rel=None,
    )
    text = str(markdownify(clean, heading_style="ATX", bullets="-"))
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return BLANK_LINES.sub("\n\n", lines).strip()
