"""Numbers as digits and units in one spelling: 三个月, 3个月 → 3个月; 十六周岁 → 16岁; 两块钱 → 2元; 半年 → 6个月."""

import re

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_SCALES = {"十": 10, "百": 100, "千": 1000}
_UNITS = "个月|个工作日|周岁|岁|年|月|天|日|小时|分钟|块钱|元|块|万元|万|公里|平方米|平米|平|米|公斤|吨|度|人|次|倍|折"
_WRITTEN = re.compile(
    rf"(?<![第一二三四五六七八九十百千万零〇两\d周统星期])([零〇一二两三四五六七八九十百千]+)(?=({_UNITS}))"
)
_YEAR = re.compile(r"(?<![〇零一二三四五六七八九])([一二][〇零一二三四五六七八九]{3})(?=年)")
_HALF_YEAR = re.compile(r"(?<![上下前后一多\d年])半年")
_SPELLINGS = (
    (re.compile(r"(?<=\d)周岁"), "岁"),
    (re.compile(r"(?<=\d)块钱?(?!地)"), "元"),
    (re.compile(r"(?<=\d)平米?(?!方)"), "平方米"),
)
_FIXED = (
    *("一次性", "一年四季", "一日游", "一人户", "千万别", "一平台"),
    *("一年级", "二年级", "三年级", "四年级", "五年级", "六年级"),
)
"""Set phrases in which the numeral counts nothing, or belongs to a name."""


def in_digits(text: str) -> str:
    """``text`` with its counted numbers in digits. Idempotent; ordinals (第一次) and set phrases stay as they are."""
    text = _YEAR.sub(lambda m: "".join(str(_DIGITS[c]) for c in m[1]), text)
    text = _HALF_YEAR.sub("6个月", text)
    text = _WRITTEN.sub(_counted, text)
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text


def _counted(match: re.Match[str]) -> str:
    if match.string.startswith(_FIXED, match.start()):
        return match[1]
    value = _value(match[1])
    return match[1] if value is None else str(value)


def _value(written: str) -> int | None:
    """Up to 9999; None when it is no well-formed number (一二, 十百)."""
    total, digit = 0, None
    last_scale = 10_000
    for character in written:
        if character in _SCALES:
            scale = _SCALES[character]
            if scale >= last_scale:
                return None
            if digit is None and (total or scale != 10):
                return None
            total += (1 if digit is None else digit) * scale
            digit, last_scale = None, scale
        elif digit is None or digit == 0:
            digit = _DIGITS[character]
        else:
            return None
    return total + (digit or 0)
