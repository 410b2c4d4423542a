"""Calls as they are taken: asked through the real service, read, used, judged, ended; and what each really came to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy.orm import Session

from api.asking import Asked, HitRole, ShownEntry, ask
from benchmarks.simulation.quarter_callers import Intent, IntentKind
from benchmarks.simulation.quarter_truth import FaultKind, TrueCall
from benchmarks.simulation.quarter_world import Agent, Quarter, slot_of
from kb_admin import feedback, incoming, rating_links
from kb_admin.service_keys import caller_key
from models.incoming import IncomingCall
from models.knowledge import Version
from models.organisation import Person
from models.values import Ending, FaultReason, Judgement, Matter, Publicity, UseKind

SEES_THAT_IT_FITS = {HitRole.ANSWER: 0.97, HitRole.CANDIDATE: 0.92, HitRole.HINT: 0.75}
TAKES_ANOTHER = {HitRole.ANSWER: 0.15, HitRole.CANDIDATE: 0.02, HitRole.HINT: 0.005}
"""How often an agent takes an entry for what the caller wants, that is, and that is not, by how it is shown."""
ASKS_AGAIN = 0.6
OPENS, COPIES = 0.7, 0.4
JUDGES = 0.12
"""How often an agent who judges at all says that an answer just given was right."""
NOTICES, JUDGES_WRONG = 0.5, 0.7
"""How often an agent notices that an answer is wrong, and then says so with one key."""
MISJUDGES = 0.01
"""How often an agent takes a right answer for wrong."""
NOTICES_ANOTHER, JUDGES_ANOTHER = 0.6, 0.1
"""How often an agent notices, once it is opened, that an entry is about something else, and then judges it 文不对题."""
RECORDS_GAP = 0.15
FORGETS_ENDING = 0.03
INVITES, CITIZEN_ANSWERS = 0.1, 0.25
CITIZEN_MISJUDGES, CITIZEN_NOTICES = 0.06, 0.5
"""How often a citizen finds a right answer wrong, and a wrong one."""
ELSEWHERE = {Ending.WORK_ORDER: 0.48, Ending.EXPERT_SEAT: 0.26, Ending.THREE_WAY: 0.16, Ending.BROKEN_OFF: 0.10}
"""How a call ends that was not answered."""
NUMBERS_A_CALL = 0.7
"""So many numbers call as there are calls: some people call again."""
ASKED_AT = (0.04, 0.34, 0.64)
"""At which part of a call its questions are asked; what is done with the answers comes between."""
STEPS = 12
"""What is done with an answer takes at most so small a part of a call each."""


@dataclass(frozen=True)
class PlannedCall:
    """A call as it will come in: whose it is, when, and what the caller wants."""

    agent: Agent
    intent: Intent
    at: datetime
    room: timedelta
    """It lasts at most so long."""

    def asked_at(self, number: int) -> datetime:
        """When the question of that number is asked, if it is."""
        return self.at + self.room * ASKED_AT[number]


@dataclass
class Line:
    """One call on one agent's line."""

    quarter: Quarter
    session: Session
    call: PlannedCall
    actor: Person
    at: datetime
    rng: Random

    @property
    def agent(self) -> Agent:
        return self.call.agent

    @property
    def intent(self) -> Intent:
        return self.call.intent

    def go_on(self) -> datetime:
        """A little later."""
        self.at += self.call.room / STEPS * self.rng.uniform(0.3, 1.0)
        return self.at

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability


def take_call(quarter: Quarter, session: Session, planned: PlannedCall) -> TrueCall:
    """One call from beginning to end."""
    rng, intent, at = quarter.chance_of("agents"), planned.intent, planned.at
    line = Line(quarter, session, planned, session.get_one(Person, planned.agent.person_id), at, rng)
    number = f"139{rng.randrange(int(quarter.plan.calls * NUMBERS_A_CALL) + 1):08}"
    quarter.taken += 1
    call = incoming.begin(
        session,
        actor=line.actor,
        now=at,
        reference=f"LL{quarter.taken:07}",
        caller=caller_key(session, number, now=at),
        matter=Matter.OTHER if intent.kind is IntentKind.CHAT else Matter.CONSULTATION,
    )
    given = _find_answer(line)
    _end(line, call, given)
    return TrueCall(
        call_id=call.id,
        started_at=at,
        kind=intent.kind,
        about=intent.about,
        given=given.version.id if given else None,
        right=given is not None and _is_right(line, given.version),
        faulty=any(quarter.truth.is_faulty(code, at) for code in intent.codes),
    )


def _find_answer(line: Line) -> ShownEntry | None:
    """Ask, look, perhaps ask again in other words; the entry that the caller is given."""
    asked: Asked | None = None
    for number, text in enumerate(line.intent.texts):
        if number and not line.chance(ASKS_AGAIN):
            break
        line.at = line.call.asked_at(number)
        asked = ask(line.quarter.services, line.session, text, line.agent.caller, line.at)
        line.quarter.keep(asked)
        chosen = _chosen(line, asked)
        if chosen is not None and _is_good_enough(line, asked, chosen):
            return chosen
        if chosen is not None and _fits(line, chosen.version):  # known to be wrong: other words will not help
            return None
    if asked is not None and line.chance(RECORDS_GAP):
        _record_gap(line, asked)
    return None


def _chosen(line: Line, asked: Asked) -> ShownEntry | None:
    """The first entry that the agent takes for what the caller wants."""
    for shown in asked.answers:
        takes = SEES_THAT_IT_FITS if _fits(line, shown.version) else TAKES_ANOTHER
        if line.chance(takes[shown.role]):
            if shown.role is not HitRole.ANSWER or line.chance(OPENS):
                _use(line, asked, shown, UseKind.OPENED)
            return shown
    return None


def _is_good_enough(line: Line, asked: Asked, chosen: ShownEntry) -> bool:
    """Whether the agent gives it to the caller; what they notice, and what they say of it."""
    diligence = line.agent.diligence
    if not _fits(line, chosen.version):
        if line.chance(NOTICES_ANOTHER):
            if line.chance(JUDGES_ANOTHER * diligence):
                _judge(line, asked, chosen, FaultReason.OFF_TOPIC)
            return False
    elif line.chance(MISJUDGES if _is_right(line, chosen.version) else NOTICES):
        if line.chance(JUDGES_WRONG * diligence):
            _judge(line, asked, chosen, _reason(line, chosen.version))
        return False
    if line.chance(COPIES):
        _use(line, asked, chosen, UseKind.COPIED)
    if line.chance(JUDGES * diligence):
        _judge(line, asked, chosen, None)
    return True


def _end(line: Line, call: IncomingCall, given: ShownEntry | None) -> None:
    if given is not None:
        ending: Ending | None = Ending.ANSWERED
    elif line.intent.kind is IntentKind.CHAT:
        ending = line.rng.choice((Ending.REFUSED, Ending.BROKEN_OFF))
    else:
        (ending,) = line.rng.choices(list(ELSEWHERE), list(ELSEWHERE.values()))
    if line.chance(FORGETS_ENDING):
        ending = None
    version_id = given.version.id if given and ending is Ending.ANSWERED else None
    incoming.end(line.session, call, ending, actor=line.actor, now=line.go_on(), version_id=version_id)
    if version_id and given and given.version.publicity is Publicity.PUBLIC and line.chance(INVITES):
        token = rating_links.invite(line.session, call, version_id, actor=line.actor, now=line.at)
        if line.chance(CITIZEN_ANSWERS):
            _plan_rating(line, token, right=_is_right(line, given.version))


def _plan_rating(line: Line, token: str, *, right: bool) -> None:
    """The citizen opens the link some hours later; what they found out by then is how it was when they called."""
    quarter = line.quarter
    wrong = line.chance(CITIZEN_MISJUDGES if right else CITIZEN_NOTICES)
    later = slot_of(line.at + timedelta(hours=line.rng.uniform(1, 48))) + timedelta(seconds=line.rng.randrange(1, 50))

    def rate(now: datetime) -> None:
        with quarter.acting() as session:
            judgement = Judgement.INCORRECT if wrong else Judgement.CORRECT
            reason = FaultReason.INACCURATE if wrong else None
            rating_links.rate(session, token, judgement=judgement, reason=reason, note="", now=now)

    quarter.world.at(later, rate)


def _use(line: Line, asked: Asked, shown: ShownEntry, kind: UseKind) -> None:
    incoming.use(
        line.session,
        question_id=asked.question_id,
        version_id=shown.version.id,
        kind=kind,
        actor=line.actor,
        now=line.go_on(),
    )


def _judge(line: Line, asked: Asked, shown: ShownEntry, reason: FaultReason | None) -> None:
    feedback.judge(
        line.session,
        question_id=asked.question_id,
        version_id=shown.version.id,
        judgement=Judgement.INCORRECT if reason else Judgement.CORRECT,
        reason=reason,
        note="",
        actor=line.actor,
        now=line.go_on(),
    )


def _record_gap(line: Line, asked: Asked) -> None:
    feedback.record_gap(
        line.session, question_id=asked.question_id, text="", note="", actor=line.actor, now=line.go_on()
    )


def _fits(line: Line, version: Version) -> bool:
    """Whether the entry is about what the caller wants."""
    return line.quarter.truth.codes.get(version.entry_id) in line.intent.codes


def _is_right(line: Line, version: Version) -> bool:
    """Whether it is, and what it says holds."""
    truth = line.quarter.truth
    return _fits(line, version) and truth.is_right(version.entry_id, version.answer, version.spoken, line.at)


def _reason(line: Line, version: Version) -> FaultReason:
    """What an agent says is wrong with it; of a right answer anything."""
    fault = line.quarter.truth.faults.get(line.quarter.truth.codes.get(version.entry_id, ""))
    if fault is None:
        return line.rng.choice((FaultReason.INACCURATE, FaultReason.UNCLEAR, FaultReason.INCOMPLETE))
    return FaultReason.INACCURATE if fault.kind is FaultKind.WRONG else FaultReason.OUTDATED
