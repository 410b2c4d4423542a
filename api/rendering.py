"""An answer in Markdown becomes sanitised HTML, cut at its headings, with what was asked marked."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from retrieval.text import normalise

PREVIEW_LENGTH = 60
"""Characters of a folded section shown beside its heading; one line at half a screen."""
DEEPEST_CUT = 3
"""Sections are cut at the highest heading level in use, if it is one of ``#`` to ``###``."""

ASPECT_HEADINGS: Mapping[str, tuple[str, ...]] = {
    "费用": ("费用", "收费", "价格"),
    "时限": ("时限", "期限", "办结"),
    "地点": ("地点", "地址", "窗口"),
    "电话": ("电话", "联系"),
    "网上办": ("网上", "线上", "网办"),
    "处罚": ("处罚", "罚款", "后果"),
    "投诉": ("投诉", "举报", "监督"),
    "进度": ("进度", "查询", "结果"),
    "有效期": ("有效期",),
    "代办": ("代办", "委托"),
    "时间": ("时间",),
    "材料": ("材料", "资料", "证件"),
    "标准": ("标准", "待遇", "额度", "计算"),
    "条件": ("条件", "资格", "范围"),
    "流程": ("流程", "步骤", "程序", "办理"),
}
"""What a question may ask for (``retrieval/dictionary/aspects.toml``) → words in the heading of the section that tells
it. The narrower stands first: a question that names two is mostly about that one."""

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li"),
    *("h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "a", "img"),
}
ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "ol": {"start"}}
CLASSES = {"th": {"centre", "right"}, "td": {"centre", "right"}}
ALIGNED = {"text-align:center": "centre", "text-align:right": "right"}
LINKS = ("http://", "https://", "tel:", "mailto:")
ATTACHMENT = re.compile("/attachments/[0-9a-f]{64}")
MAX_TABLE_COLUMNS = 50
"""Wider than any screen."""
MAX_TABLE_CELLS = 10_000
"""Rendered in 0.2 s. Short rows are filled up to the table's width, so a small text can make a large table."""

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
WITHOUT_TABLES = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")


@dataclass(frozen=True)
class Section:
    """One part of an answer; ``heading`` is empty for what stands before the first heading."""

    heading: str
    html: Markup
    preview: str
    """The beginning of its text, for the folded state."""


def split_answer(markdown: str, attachments: Mapping[str, str]) -> tuple[Section, ...]:
    """The answer's sections as safe HTML. ``attachments``: file name → SHA-256; no other picture is shown.

    Tables beyond all measure stay the text they are.
    """
    tokens = (MARKDOWN if _tables_fit(markdown) else WITHOUT_TABLES).parse(markdown)
    for token in tokens:
        _point_to_attachments(token, attachments)
    return tuple(_section(heading, body) for heading, body in _cut(tokens))


def plain_text(html: str) -> str:
    """Text of our own sanitised HTML on one line."""
    text = re.sub(r"<[^>]+>", " ", html)
    return re.sub(r"\s+", " ", Markup(text).unescape()).strip()  # noqa: S704 - unescaped only to be cut as text


def asked_heading(question: str, aspects: Collection[str], headings: Sequence[str]) -> str:
    """The heading that the question names, else one for what it asks about; empty when none is there.

    ``aspects``: as the search names them.
    """
    for heading in headings:
        if heading and heading in question:
            return heading
    words = [word for aspect, words in ASPECT_HEADINGS.items() if aspect in aspects for word in words]
    return next((heading for word in words for heading in headings if word in heading), "")


def mark(text: str, words: Iterable[str]) -> Markup:
    """Escaped text with the matched words in ``<mark>``, whatever their width, case or script."""
    return highlight(escape(text), words)


def highlight(html: Markup, words: Iterable[str]) -> Markup:
    """The same HTML with the matched words in ``<mark>``; tags and entities are left alone."""
    folded = sorted({_folded(word) for word in words if word.strip()}, key=lambda w: (-len(w), w))
    if not folded:
        return html
    pattern = re.compile("|".join(re.escape(word) for word in folded))
    pieces = re.split(r"(<[^>]*>|&[#\w]+;)", str(html))
    marked = (piece if position % 2 else _marked(piece, pattern) for position, piece in enumerate(pieces))
    return Markup("".join(marked))  # noqa: S704 - escaped above, only <mark> is added


def _marked(text: str, pattern: re.Pattern[str]) -> str:
    """The text in its own spelling, marked where its folded form matches."""
    parts, end = [], 0
    for found in pattern.finditer(_folded(text)):
        parts += [text[end : found.start()], "<mark>", text[found.start() : found.end()], "</mark>"]
        end = found.end()
    return "".join([*parts, text[end:]])


def _folded(text: str) -> str:
    """The text as the search compares it, character for character: of the same length."""
    return "".join(map(_folded_character, text))


@lru_cache(maxsize=16_384)
def _folded_character(character: str) -> str:
    """What has no single counterpart, such as punctuation, stays itself."""
    folded = normalise(character)
    return folded if len(folded) == 1 else character


def _tables_fit(markdown: str) -> bool:
    """Whether no table can be larger than is fit to be shown, by its lines and the bars in them."""
    lines = markdown.split("\n")
    columns = max(line.count("|") for line in lines)
    return columns <= MAX_TABLE_COLUMNS + 1 and columns * len(lines) <= MAX_TABLE_CELLS


def _cut(tokens: Sequence[Token]) -> list[tuple[str, list[Token]]]:
    levels = [int(t.tag[1]) for t in tokens if t.type == "heading_open" and t.level == 0]
    cut_at = min(levels, default=0)
    sections: list[tuple[str, list[Token]]] = [("", [])]
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "heading_open" and token.level == 0 and int(token.tag[1]) == cut_at <= DEEPEST_CUT:
            sections.append((_text_of(tokens[position + 1]), []))
            position += 3
            continue
        sections[-1][1].append(token)
        position += 1
    return [(heading, body) for heading, body in sections if heading or body]


def _text_of(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline")).strip()


def _section(heading: str, tokens: list[Token]) -> Section:
    for token in tokens:
        _fit_into_page(token)
    html = _sanitise(MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}))
    text = plain_text(html)
    preview = text if len(text) <= PREVIEW_LENGTH else text[:PREVIEW_LENGTH] + "…"
    return Section(heading, Markup(html), preview)  # noqa: S704 - sanitised on the line above


def _fit_into_page(token: Token) -> None:
    """Headings go below the card's own; alignment becomes a class, as our policy allows no inline style."""
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{max(4, int(token.tag[1]))}"
    style = token.attrs.pop("style", None)
    if style is not None and str(style) in ALIGNED:
        token.attrs["class"] = ALIGNED[str(style)]


def _point_to_attachments(token: Token, attachments: Mapping[str, str]) -> None:
    """``attachment:NAME`` becomes its address here; a picture from anywhere else becomes its description."""
    for child in token.children or ():
        _point_to_attachments(child, attachments)
        attribute = {"image": "src", "link_open": "href"}.get(child.type)
        if attribute is None:
            continue
        scheme, _, name = unquote(str(child.attrs.get(attribute, ""))).partition(":")
        known = attachments.get(name) if scheme == "attachment" else None
        if known is not None:
            child.attrs[attribute] = f"/attachments/{known}"
        elif child.type == "image":
            description = child.content or "无说明"
            child.type, child.tag, child.children = "text", "", None
            child.content = f"（图片未收录：{description}）"


@lru_cache(maxsize=512)
def _sanitise(html: str) -> str:
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        allowed_classes=CLASSES,
        attribute_filter=_only_ours,
        url_schemes={"http", "https", "tel", "mailto"},
        link_rel="noopener noreferrer",
    )


def _only_ours(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src":
        return value if ATTACHMENT.fullmatch(value) else None
    if tag == "a" and attribute == "href":
        return value if value.startswith(LINKS) or ATTACHMENT.fullmatch(value) else None
    return value
