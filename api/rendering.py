"""An answer in Markdown becomes sanitised HTML, cut at its headings, with what was asked marked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

PREVIEW_LENGTH = 60
"""Characters of a folded section shown beside its heading; one line at half a screen."""
DEEPEST_CUT = 3
"""Sections are cut at the highest heading level in use, if it is one of ``#`` to ``###``."""

ASPECTS: Mapping[str, tuple[str, ...]] = {
    "费用": ("费用", "收费", "多少钱", "要钱", "花钱", "免费", "工本费", "手续费", "价格"),
    "时限": ("时限", "期限", "多久", "几天", "多少天", "多长时间", "几个工作日", "什么时候", "啥时候"),
    "地点": ("地点", "地址", "在哪", "哪里", "哪儿", "去哪", "到哪", "哪个窗口"),
    "电话": ("电话", "联系方式", "号码", "热线"),
    "网上办理": ("网上", "线上", "网办", "小程序", "手机办", "APP", "app"),
    "处罚": ("处罚", "罚款", "罚多少", "扣分", "扣几分"),
    "材料": ("材料", "资料", "证件", "带什么", "带啥", "拿什么", "要什么", "准备什么", "交什么", "哪些手续"),
    "标准": ("标准", "多少", "额度", "金额", "比例", "费率", "档次", "几块"),
    "条件": ("条件", "资格", "什么人", "谁能", "谁可以", "能不能", "可不可以", "能办吗", "符合", "满足"),
    "流程": ("流程", "步骤", "程序", "怎么办", "如何办", "怎样办", "咋办", "怎么弄", "怎么申请", "如何申请"),
}
"""Heading of an answer → words in which callers ask for it; the narrower aspect stands first."""

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li"),
    *("h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "a", "img"),
}
ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "ol": {"start"}}
CLASSES = {"th": {"centre", "right"}, "td": {"centre", "right"}}
ALIGNED = {"text-align:center": "centre", "text-align:right": "right"}
LINKS = ("http://", "https://", "tel:", "mailto:", "/attachments/")

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Section:
    """One part of an answer; ``heading`` is empty for what stands before the first heading."""

    heading: str
    html: Markup
    preview: str
    """The beginning of its text, for the folded state."""


def split_answer(markdown: str, attachments: Mapping[str, str]) -> tuple[Section, ...]:
    """The answer's sections as safe HTML. ``attachments``: file name → SHA-256; no other picture is shown."""
    tokens = MARKDOWN.parse(markdown)
    for token in tokens:
        _point_to_attachments(token, attachments)
    return tuple(_section(heading, body) for heading, body in _cut(tokens))


def plain_text(html: str) -> str:
    """Text of our own sanitised HTML on one line."""
    text = re.sub(r"<[^>]+>", " ", html)
    return re.sub(r"\s+", " ", Markup(text).unescape()).strip()  # noqa: S704 - unescaped only to be cut as text


def asked_aspect(question: str, headings: Sequence[str]) -> str:
    """The heading that the question asks for, or an empty string when it names none that is there."""
    for heading in headings:
        if heading and heading in question:
            return heading
    for aspect, words in ASPECTS.items():
        if any(word in question for word in words):
            found = next((h for h in headings if aspect in h), "")
            if found:
                return found
    return ""


def mark(text: str, words: Iterable[str]) -> Markup:
    """Escaped text with the matched words in ``<mark>``."""
    return highlight(escape(text), words)


def highlight(html: Markup, words: Iterable[str]) -> Markup:
    """The same HTML with the matched words in ``<mark>``; tags are left alone."""
    escaped = sorted({str(escape(word)) for word in words if word.strip()}, key=lambda w: (-len(w), w))
    if not escaped:
        return html
    pattern = re.compile("|".join(re.escape(word) for word in escaped), re.IGNORECASE)
    pieces = re.split(r"(<[^>]*>|&[#\w]+;)", str(html))
    marked = (
        piece if position % 2 else pattern.sub(r"<mark>\g<0></mark>", piece) for position, piece in enumerate(pieces)
    )
    return Markup("".join(marked))  # noqa: S704 - escaped above, only <mark> is added


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
        return value if value.startswith("/attachments/") else None
    if tag == "a" and attribute == "href":
        return value if value.startswith(LINKS) else None
    return value
