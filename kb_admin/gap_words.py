"""What a question says, as far as its characters tell: whether anything, and whether two say nearly the same."""

import re
import unicodedata

_SAYS_NOTHING = re.compile(
    r"您好|你好|喂+|哈喽|hello|hi|早上好|上午好|中午好|下午好|晚上好|在吗|在不在|有人吗|听得到吗|能听到吗|听不清|听不见"
    r"|谢谢|多谢|感谢|麻烦|再见|拜拜|不客气|没关系|对不起|抱歉|打扰了?|辛苦了?"
    r"|好的|好吧|行吧|可以的|知道了|明白了|没事了?|没有了|没了|不用了|算了|等一下|稍等|等等"
    r"|请问|请教|想问|咨询|问一下|问下|问问|一下|帮我|帮忙|查一下|查查|看看|说一下"
    r"|测试|试一下|试试|test|12345|热线|坐席|客服|话务员|接线员|同志|先生|女士|小姐"
    r"|什么|怎么样?|怎样|如何|多少|哪里|哪儿|哪个|为什么|为啥|是不是|能不能|可不可以|有没有"
    r"|我们?|你们?|您|他们?|她|它|这个?|那个?|的|了|吗|呢|吧|啊|呀|哦|噢|嗯+|额|呃|哈+|嘿|唉|哎|诶|啦|嘛|么|是|有|在|就|都|也|还|和|要|想|会|能|可以|请"
)
"""Greeting, thanks, filling, asking as such, and who is spoken to: none of it is a matter."""
_SIGNS = re.compile(r"[\W\d_]+")
LEAST = 2
"""Characters that a matter has at least: 医保, 落户."""
CLOSE = 0.4
"""Share of the pairs of neighbouring characters of the shorter text that the other one has too."""


def says_something(text: str) -> bool:
    """Whether anything is left without greeting, thanks, filling, numbers and signs: chit-chat is no gap."""
    return len(_SIGNS.sub("", _SAYS_NOTHING.sub("", _plain(text)))) >= LEAST


def close_in_words(one: str, other: str) -> bool:
    """Whether one is probably the other in other words, by the characters that they share."""
    pairs = [_pairs(_SAYS_NOTHING.sub("", _plain(text))) for text in (one, other)]
    shorter = min(map(len, pairs))
    return shorter > 0 and len(pairs[0] & pairs[1]) >= CLOSE * shorter


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _pairs(text: str) -> frozenset[str]:
    letters = _SIGNS.sub("", text)
    return frozenset(letters[i : i + 2] for i in range(len(letters) - 1))
