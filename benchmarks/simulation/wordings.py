"""What the entries of a played city say."""

from dataclasses import replace
from datetime import datetime, timedelta

from benchmarks.simulation.city import House
from benchmarks.simulation.world import World
from models.values import BasisContent, EntryContent, Publicity

MATTERS = ("补贴申领", "证件补办", "资格认定", "费用缴纳", "信息变更", "预约办理", "进度查询", "投诉反映")
CATEGORY = "办事"
YEAR = timedelta(days=365)


def wording(world: World, house: House, info_type: str, now: datetime) -> EntryContent:
    """A wording that no other entry has, with all that any rulebook asks for; in force for years."""
    world.written += 1
    number, matter = world.written, MATTERS[world.written % len(MATTERS)]
    return EntryContent(
        question=f"{house.name}第{number}项{matter}怎样办理",
        answer=f"## 材料\n身份证原件和申请表（{number} 号表）。\n## 时限\n受理后 {number % 20 + 1} 个工作日。",
        unit=house.name,
        region=house.region,
        similar=(f"第{number}项{matter}要带什么",),
        spoken=f"请带身份证和 {number} 号申请表到窗口办理。",
        keywords=(matter, f"第{number}项"),
        category=f"{CATEGORY}/{matter}",
        bases=(BasisContent(f"《{matter}管理办法》", f"安政发〔2024〕{number}号", 1),),
        valid_from=whole_minute(now - YEAR),
        valid_to=whole_minute(now + 2 * YEAR),
        publicity=Publicity.PUBLIC if number % 5 else Publicity.INTERNAL,
        info_type=info_type,
    )


def reworded(world: World, content: EntryContent) -> EntryContent:
    """The same matter in other words."""
    world.written += 1
    answer = content.answer.split("\n## 说明")[0]
    return replace(content, answer=f"{answer}\n## 说明\n按第 {world.written} 次修订执行。")


def whole_minute(moment: datetime) -> datetime:
    """What people write on a form."""
    return moment.replace(second=0, microsecond=0)
