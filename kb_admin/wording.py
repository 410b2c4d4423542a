"""Text that people or programs hand in, before it is kept."""

from models.errors import Invalid


def readable(text: str, *, name: str, longest: int) -> str:
    """``text`` without the space around it.

    Raises Invalid when it is longer than ``longest`` characters, or holds what no database keeps: NUL and half a
    surrogate pair.
    """
    words = text.strip()
    if len(words) > longest:
        raise Invalid(f"{name}有 {len(words)} 字，最多 {longest} 字。")
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in words):
        raise Invalid(f"{name}中含有不可显示的字符，请重新输入。")
    return words
