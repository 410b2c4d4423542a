"""Signs that a caller's words are about somebody: what is learnt from use must name nobody.

Wider than the check of entries, which knows numbers alone: to leave a question out costs nothing.
"""

import re

SIGNS = re.compile(
    r"\d{7,}"  # telephone, account, order and case numbers
    r"|我(?:叫|姓|的名字)|(?:姓名|名字)(?:是|叫|为|：|:)|本人姓"
    r"|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Za-z]·?[A-Za-z0-9]{5,6}"  # number plates
    r"|\d+\s*(?:号楼|栋|幢|单元|室|号房|弄)"
    r"|[\w.+-]+@[\w-]+\.\w+"
    r"|(?:微信|QQ|qq)号?\s*[:：是]?\s*[A-Za-z0-9_-]{5,}"
)
FULL_WIDTH = {ord("０") + n: str(n) for n in range(10)}


def names_somebody(text: str) -> bool:
    """Whether a text holds a name, an address, a plate, an account or a number of somebody, as far as form tells."""
    return bool(SIGNS.search(text.translate(FULL_WIDTH)))
