"""Acts of the audit log as people read them: "notice.sign" is 通知单：签收."""

from kb_admin.routes import MoveName

FAMILIES = {
    "calendar": "节假日历",
    "category": "类别",
    "defence": "整改申辩",
    "entry": "条目",
    "extension": "延期申请",
    "gap": "知识缺失",
    "notice": "通知单",
    "ranker": "排序权重",
    "rulebook": "规则",
    "sharing": "查看共享",
    "staff": "人员名单",
    "withdrawal": "撤销申请",
}
ACTS = {
    **{move.value: move.label for move in MoveName},
    "add": "添加",
    "adopt": "采用",
    "answered": "已能解答",
    "ask": "申请",
    "asked_again": "又有人问到",
    "call": "电话联系",
    "cancel": "取消",
    "close": "停用",
    "complete": "办结",
    "consent": "同意",
    "correct": "更正",
    "describe": "写明单位和标准问",
    "dismiss": "不予采编",
    "dispatch": "派发",
    "draft": "拟制",
    "end": "提前结束",
    "export": "导出",
    "grant": "批准",
    "import": "批量导入",
    "join": "登记任职",
    "leave": "登记离任",
    "merge": "并入别组",
    "move": "改名或移动",
    "promote": "采用",
    "propose": "建议相似问法",
    "refuse": "未同意",
    "refuse_consent": "未同意",
    "release": "对外发布",
    "reopen": "退回待处理",
    "report": "上报",
    "review": "定期回顾",
    "search": "查询时看到内部条目",
    "see": "查看结果",
    "send": "派给单位",
    "sign": "签收",
    "take_back": "收回",
    "take_out": "移出问题",
    "undo": "撤销",
    "view": "打开内部条目",
    "view_file": "打开内部附件",
    "view_to_write": "打开内部条目编写",
}


def act_words(act: str) -> str:
    """The act in Chinese; one that is not known here stays as it is written."""
    family, dot, verb = act.rpartition(".")
    said = ACTS.get(verb, verb)
    return f"{FAMILIES.get(family, family)}：{said}" if dot else said


SUBJECTS = {
    "application": "申请",
    "calendar": "年份",
    "category": "类别",
    "entries": "条目",
    "entry": "条目",
    "gap": "知识缺失",
    "notice": "通知单",
    "question": "提问",
    "ranker": "第几次拟合",
    "region": "区域",
    "unit": "单位",
}


def subject_words(subject: str) -> str:
    """What it was done to: "entry:ZD-000012/v3" is 条目 ZD-000012/v3."""
    kind, _, name = subject.partition(":")
    return f"{SUBJECTS.get(kind, kind)} {name}".strip()
