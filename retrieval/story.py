"""The question in a caller's long story, or in a note pasted from a work order."""

import re

LONG = 60
"""Characters. Shorter texts are taken whole."""
KEPT = 60
"""Characters of a story that are kept, beginning with the most telling clause; one longer clause is cut at twice."""

_CLAUSE = re.compile(r"[^。！？!?；;，,\n]*[。！？!?；;，,\n]?")
_LABEL = re.compile(
    r"^\s*(?:【[^】]{1,12}】|\[[^\]]{1,12}\])?\s*(?:(?:市民|来电人|来电|反映人|群众|诉求人|当事人)?(?:来电)?(?:反映|咨询|诉求|诉求内容|问题描述|问题|内容|求助|表示|称|事由)[:：])"
)
_NOISE = re.compile(
    r"(?:(?:联系)?电话[:：]?\s*)?(?:1[3-9]\d{9}|\d{3,4}-?\d{7,8})|\d{1,2}[:：]\d{2}|(?:工单|编号|单号)[:：]?\w+|姓名[:：]?|谢谢[!！。]?|您好[,，!！。]?|你好[,，!！。]?"
)
_WANT = re.compile(r"诉求|请问|想问|咨询|想咨询|想了解|问一下|希望|要求|建议|请求|求助|想知道|问题是|究竟|到底")
_ASK = re.compile(
    r"[?？]|吗|呢|怎么|如何|怎样|咋|哪里|哪儿|哪个|哪些|什么|啥|多少|多久|几天|几号|能不能|可不可以|可以不|是否|能否|行不行|有没有|要不要|该不该|算不算|给不给|得不得|要带|需要"
)
_SELF = re.compile(r"^(?:我|本人|我们|我家|我妈|我爸)(?:叫|是|姓|今年|家住|住)")


def focus(text: str) -> str:
    """The part of ``text`` that asks, about KEPT characters; texts up to LONG characters are returned as they are.

    Clauses weigh by what they say of wanting and asking; later ones win ties, for callers tell first and ask last. The
    neighbours of the best clause fill the rest, the ones before it first: they hold what it asks about.
    """
    if len(text) <= LONG:
        return text
    clauses = [c for c in (_cleaned(m[0]) for m in _CLAUSE.finditer(text)) if len(c) > 1]
    if not clauses:
        return text[:KEPT]
    values = [_value(c) + 0.5 * i / len(clauses) for i, c in enumerate(clauses)]
    best = max(range(len(clauses)), key=lambda i: values[i])
    first, last = best, best
    while True:
        before = clauses[first - 1] if first else ""
        after = clauses[last + 1] if last + 1 < len(clauses) else ""
        length = sum(map(len, clauses[first : last + 1]))
        if after and values[last + 1] >= 1.5 and length + len(after) <= KEPT:
            last += 1
        elif before and length + len(before) <= KEPT:
            first -= 1
        elif after and length + len(after) <= KEPT:
            last += 1
        else:
            return "".join(clauses[first : last + 1])[: 2 * KEPT].strip()


def _cleaned(clause: str) -> str:
    return _NOISE.sub("", _LABEL.sub("", clause)).strip()


def _value(clause: str) -> float:
    return 1.5 * bool(_WANT.search(clause)) + 1.5 * bool(_ASK.search(clause)) - bool(_SELF.search(clause))
