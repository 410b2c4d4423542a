"""The data of a definition in words: which calls count, which are achieved."""

from kb_admin.definitions import CallRule, Repeat
from models.values import Ending, Matter


def rule_words(rule: CallRule, *, repeat_days: int) -> tuple[tuple[str, str], ...]:
    """Each part with its name; ``repeat_days``: what the rulebook says, for a definition that leaves it to it."""
    matters = [matter.label for matter in Matter if matter in rule.matters]
    matters += ["没有注明"] if rule.matter_unsaid else []
    endings = [ending.label for ending in Ending if ending in rule.endings]
    endings += ["没有记录"] if rule.ending_unsaid else []
    achieved = "、".join(ending.label for ending in Ending if ending in rule.achieved)
    if rule.from_base:
        achieved += "，且记下了所据的条目"
    days = repeat_days if rule.repeat is Repeat.RULEBOOK else rule.repeat
    if not isinstance(days, Repeat):
        achieved += f"，且同一来电人 {days} 日内没有为同一事项再次来电"
    return (
        ("应计的诉求类别", "、".join(matters)),
        ("应计的结束方式", "、".join(endings)),
        ("不知道来电人的", "计入" if rule.caller_unknown else "不计"),
        ("算作解答的", achieved),
    )
