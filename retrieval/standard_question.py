"""From a caller's words to a question as it could stand in the base: story and politeness cut, nothing added."""

import re

from retrieval.story import focus

LONGEST = 60
"""Characters: a standard question is one line."""
_BEFORE = re.compile(
    r"^(?:您好|你好|喂|哎|嗯+|那个|就是|请问|请教|麻烦|同志|老师|客服|话务员"
    r"|我?(?:想|要)?(?:问|咨询|了解|请教|知道)(?:一下|下|问)?|问一下|问下|帮我?(?:查|看|问)(?:一下|下)?|打听(?:一下|下)?"
    r"|市民|来电人|来电|咨询|诉求|问题)[,，:：;；、。！!\s]*"
)
_AFTER = re.compile(r"[,，、。.！!?？~～\s]*(?:谢谢|多谢|麻烦了|啊|呀|呢|哦|噢|啦|嘛|哈)?[,，、。.！!?？~～\s]*$")
_SPACE = re.compile(r"\s+")


def standard_question(text: str) -> str:
    """The part of ``text`` that asks, without greeting before and particles after; at most LONGEST characters.

    A text that is all politeness stays as it is.
    """
    words = _SPACE.sub(" ", focus(text)).strip()
    asked = words
    while (shorter := _AFTER.sub("", _BEFORE.sub("", asked))) != asked and shorter:
        asked = shorter
    if len(asked) < 2:
        asked = words
    return asked[:LONGEST]
