// The agent's page: ask without a reload, read, copy, judge, record a gap; the focus always comes back to the box.

const KEPT_ANSWERS = 30;
const SLOW_MS = 3000;
const GIVE_UP_MS = 10_000;
const HEADING_MS = 400; // A quicker reply replaces the old answer before a heading over it could be read.
const SURE_MS = 6000;
const CARET_KEYS = ["ArrowLeft", "ArrowRight", "Home", "End"];
const FIELDS = "input, textarea, select";

const box = document.getElementById("q");
const form = document.getElementById("ask");
const result = document.getElementById("result");
const said = document.getElementById("said");
const trouble = document.getElementById("trouble");
const was = document.getElementById("was");
const keys = document.getElementById("keys");
const start = document.getElementById("start");

const answers = new Map();
let shown = ""; // The question that the answer on the page belongs to.
let literal = false; // That answer was found without mending slips.
let left = false; // The agent has gone on to another question: the answer is only to be read.
let fresh = false; // We have selected the text in the box, so that the next question replaces it.
let asking = null; // The question under way: { question, literally, stop }.
let goingBack = false;
let armed = "";

const cards = () => [...result.querySelectorAll(".card")];
const openCard = () => cards().find((card) => !card.hidden);
const openRank = () => Number(openCard()?.dataset.rank ?? 0);
const firstRank = () => Number(result.querySelector(".result")?.dataset.first ?? 0);
const others = () => [...result.querySelectorAll(".others li")];
const isLiteral = () => result.querySelector(".result")?.hasAttribute("data-literal") ?? false;
const chosen = () => result.querySelector(".others .is-chosen");

function say(text) {
  said.textContent = "";
  said.title = text;
  requestAnimationFrame(() => (said.textContent = text));
}

function complain(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
  if (text) say("");
}

function backToBox() {
  box.focus({ preventScroll: true });
}

function grow() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 3}px`;
}

function fill(question) {
  box.value = question;
  fresh = false;
  grow();
}

// As in an address bar: a character, a composition or a paste replaces the question; a caret key or a click edits it.
function offerToReplace() {
  box.setSelectionRange(0, box.value.length);
  fresh = true;
}

function address(question, rank, literally = false) {
  if (!question) return "/";
  const parts = { q: question };
  if (rank) parts.open = rank;
  if (literally) parts.literal = 1;
  return "/?" + new URLSearchParams(parts);
}

const shownAddress = (rank) => address(shown, rank, literal);

// { text } of a reply, or { problem } in words; a lost login leads to the door and back.
async function read(path, options) {
  try {
    const reply = await fetch(path, options);
    if (reply.redirected && new URL(reply.url).pathname === "/login") {
      location.assign("/login?" + new URLSearchParams({ next: address(box.value.trim()) }));
      return { problem: "登录已到期" };
    }
    const text = await reply.text();
    if (reply.ok) return { text };
    const page = new DOMParser().parseFromString(text, "text/html");
    const message = page.querySelector(".message")?.textContent.trim() ?? `服务器没有接受（${reply.status}）`;
    return { problem: message.replace(/。$/, "") };
  } catch {
    return { problem: options?.signal?.aborted ? "服务器 10 秒没有回答" : "连不上服务器" };
  }
}

// Whether the answer belongs to a question that the agent has left: then it has a heading, and no key or button works.
function leave(gone, heading = gone) {
  left = gone && Boolean(shown);
  result.inert = left;
  result.classList.toggle("is-old", left);
  was.hidden = !(left && heading);
  was.textContent = was.hidden ? "" : `上一个问题：${shown}`;
}

function show(question, html, rank) {
  shown = question;
  armed = "";
  result.innerHTML = html;
  literal = isLiteral();
  document.title = `${question || "知识查询"} · 直答`;
  complain("");
  view(rank ?? firstRank());
  leave(box.value.trim() !== question);
  say(result.querySelector(".result")?.dataset.said ?? "");
  if (question && !left) offerToReplace();
}

// One card open, or with rank 0 none; the list has the others.
function view(rank) {
  armed = "";
  for (const card of cards()) card.hidden = card.dataset.rank !== String(rank);
  for (const item of others()) {
    const here = item.dataset.rank === String(rank);
    item.classList.toggle("is-open", here);
    item.classList.remove("is-chosen");
    item.querySelector("a").toggleAttribute("aria-current", here);
  }
  const whole = result.querySelector(".result");
  whole?.classList.toggle("chooses", whole.dataset.outcome === "choose" && !rank);
  const list = result.querySelector(".others");
  if (list) list.hidden = others().every((item) => item.classList.contains("is-open"));
}

function keep(at, html) {
  answers.set(at, html);
  if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value);
}

function stopAsking() {
  asking?.stop();
  asking = null;
}

async function ask(question, { remember, rank, literally = false }) {
  stopAsking();
  const limit = new AbortController();
  const timers = [
    setTimeout(() => leave(true), HEADING_MS),
    setTimeout(() => say("服务器较慢，Esc 取消"), SLOW_MS),
    setTimeout(() => limit.abort(), GIVE_UP_MS),
  ];
  const stop = () => {
    timers.forEach(clearTimeout);
    limit.abort();
  };
  const mine = (asking = { question, literally, stop });
  complain("");
  leave(true, false);
  say("正在查询…");
  const { text, problem } = await read("/ask" + address(question, 0, literally).slice(1), { signal: limit.signal });
  timers.forEach(clearTimeout);
  if (mine !== asking) return;
  asking = null;
  if (problem) {
    leave(true);
    const words = question.length > 30 ? question.slice(0, 30) + "…" : question;
    return complain(`没有查到“${words}”：${problem}。按 Enter 重试`);
  }
  const at = address(question, 0, literally);
  keep(at, text);
  if (remember && at !== location.pathname + location.search) {
    if (question === shown && literally === literal) history.replaceState(null, "", at);
    else history.pushState(null, "", at);
  }
  show(question, text, rank);
  document.dispatchEvent(new CustomEvent("answered"));
}

function submit() {
  const question = box.value.trim();
  backToBox();
  if (!question || (asking?.question === question && !asking.literally)) return;
  if (chosen() && !left && question === shown) open(chosen().dataset.rank);
  else ask(question, { remember: true });
}

function clear() {
  if (!box.value && !shown) return;
  fill("");
  if (shown) history.pushState(null, "", "/");
  show("", start.innerHTML);
  backToBox();
}

function open(rank) {
  const wanted = cards().find((card) => card.dataset.rank === String(rank));
  if (!wanted || left) return;
  if (Number(rank) === firstRank()) backToList();
  else {
    view(rank);
    if (history.state?.candidate) history.replaceState({ candidate: true }, "", shownAddress(rank));
    else history.pushState({ candidate: true }, "", shownAddress(rank));
  }
  const told = [wanted.querySelector("h2"), wanted.querySelector(".caution b")];
  say(`第 ${rank} 条：${told.flatMap((part) => part?.textContent.trim() ?? []).join("，")}`);
  tell("opened", wanted);
  const { top } = wanted.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) wanted.scrollIntoView();
  backToBox();
}

// From a candidate to what the search itself showed, in the history too.
function backToList() {
  view(firstRank());
  goingBack = Boolean(history.state?.candidate);
  if (goingBack) history.back();
  else history.replaceState(null, "", shownAddress());
}

function pick(step) {
  const items = others();
  const now = Number(chosen()?.dataset.rank ?? openRank());
  const ranks = items.map((item) => Number(item.dataset.rank)).filter((rank) => rank !== openRank());
  if (!ranks.length) return;
  const further = step > 0 ? ranks.find((rank) => rank > now) : ranks.findLast((rank) => rank < now);
  const next = further ?? (step > 0 ? ranks.at(-1) : ranks[0]);
  for (const item of items) item.classList.toggle("is-chosen", Number(item.dataset.rank) === next);
  chosen().scrollIntoView({ block: "nearest" });
  say(chosen().querySelector(".other-question").textContent.trim());
}

// Why nothing is said of this answer although it is somebody's work to.
const unrecorded = () => result.querySelector(".unrecorded")?.textContent;

// The open card, or null after telling why nothing can be done with one.
function current() {
  const card = openCard();
  if (left) say("这是上一个问题的答案，请先查询");
  else if (!card) say("请先打开一条答案");
  else if (chosen()) say("选中的一条还没有打开，按 Enter 打开");
  else return card;
  return null;
}

// True the second time in a row.
function sure(what, warning) {
  if (armed === what) {
    armed = "";
    return true;
  }
  armed = what;
  setTimeout(() => armed === what && (armed = ""), SURE_MS);
  say(warning);
  return false;
}

function nothingSelected() {
  const field = document.activeElement;
  if (field !== box && field.matches(FIELDS)) return false;
  const inBox = field === box && !fresh && box.selectionStart !== box.selectionEnd;
  return !inBox && document.getSelection().isCollapsed;
}

// The clipboard interface exists on https and localhost only; halls run plain http, so the old way stays.
async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const spare = document.createElement("textarea");
  spare.value = text;
  spare.className = "unseen";
  document.body.append(spare);
  spare.select();
  document.execCommand("copy");
  spare.remove();
  backToBox();
}

// What is done with an answer belongs to the call; see call.js.
function tell(kind, card) {
  document.dispatchEvent(new CustomEvent("answer-used", { detail: { kind, card } }));
}

async function copy() {
  const card = current();
  backToBox();
  if (!card) return;
  if (!("copy" in card.dataset)) return say("相近内容不是答案，不能复制口径");
  const internal = "internal" in card.dataset;
  if (internal && !sure(`copy ${card.id}`, "内部内容，再按一次 Ctrl+C 复制")) return;
  await toClipboard(card.dataset.copy);
  tell("copied", card);
  say(internal ? "已复制内部提示，勿对外宣读" : "已复制口径");
}

function unfold() {
  const sections = [...(current()?.querySelectorAll(".section") ?? [])];
  const all = sections.every((section) => section.open);
  for (const section of sections) section.open = !all;
}

function verdictOf(card) {
  const verdict = card?.querySelector("form.verdict");
  if (card && !verdict) {
    const hint = result.querySelector(".result").dataset.outcome === "none";
    say(hint ? "相近内容不是答案，不用评判" : "您的岗位不评判答案");
  }
  return verdict;
}

function judgeRight() {
  const verdict = verdictOf(current());
  verdict?.requestSubmit(verdict.querySelector(".right"));
}

function judgeWrong() {
  const wrong = verdictOf(current())?.querySelector(".wrong");
  if (!wrong) return;
  wrong.open = true;
  wrong.querySelector("fieldset button").focus();
}

function recordGap() {
  if (!shown || left) return say(left ? "请先查询，再记知识缺失" : "请先查询");
  const gap = result.querySelector("form.gap");
  if (gap) gap.requestSubmit();
  else say(result.querySelector(".gap-recorded .recorded")?.textContent.trim() ?? unrecorded() ?? "您的岗位不记知识缺失");
}

// 正确 and 知识缺失 for one question contradict each other: possible, but not by a slip.
function contradicts(piece, submitter) {
  const right = result.querySelector('.right[aria-pressed="true"]');
  if (piece.matches(".gap")) return right && !sure("gap", "已有一条判为正确。仍要记为知识缺失，再按一次 Alt+G");
  const recorded = submitter?.matches(".right") && result.querySelector(".gap-recorded");
  return recorded && !sure("right", "这个问题已记为知识缺失。仍要判为正确，再按一次 Alt+Y");
}

async function send(piece, submitter) {
  if (contradicts(piece, submitter)) return backToBox();
  const body = new URLSearchParams(new FormData(piece, submitter)); // multipart is for files alone
  const reply = await read(piece.getAttribute("action"), { method: "POST", body, headers: { "X-Piece": "1" } });
  backToBox();
  if (reply.problem) return complain(`没有记下：${reply.problem}。请再按一次`);
  complain("");
  const fragment = document.createRange().createContextualFragment(reply.text);
  const words = fragment.querySelector(".recorded")?.textContent.trim() ?? "已撤回，没有记为知识缺失";
  (piece.closest(".gap-recorded") ?? piece).replaceWith(fragment);
  keep(shownAddress(), result.innerHTML);
  say(words);
}

// 短信评价: the text for the caller, copied at once.
async function invite(piece) {
  const body = new URLSearchParams(new FormData(piece));
  const reply = await read(piece.getAttribute("action"), { method: "POST", body, headers: { "X-Piece": "1" } });
  backToBox();
  if (reply.problem) return complain(`没有短信可发：${reply.problem}`);
  complain("");
  const fragment = document.createRange().createContextualFragment(reply.text);
  const words = fragment.querySelector("label").textContent.trim();
  const text = fragment.querySelector(".invited").dataset.copy;
  piece.replaceWith(fragment);
  await toClipboard(text);
  say(words.replace(/[：:]$/, ""));
}

function inviteCaller() {
  const card = current();
  if (!card) return;
  const form = card.querySelector("form.invite");
  if (form) form.requestSubmit();
  else say(card.querySelector(".invited") ? "短信内容已在卡片下方" : "这一条不能请来电人评价");
}

const ALT_KEYS = { KeyY: judgeRight, KeyN: judgeWrong, KeyG: recordGap, KeyD: unfold, KeyS: inviteCaller,
  KeyW: () => openCard()?.classList.toggle("shows-why") };

function onAlt(event) {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  const action = digit ? () => open(digit[1]) : ALT_KEYS[event.code];
  if (!action) return;
  event.preventDefault();
  action();
}

function onControl(event) {
  if (event.code === "KeyC" && !event.shiftKey && shown && nothingSelected()) {
    event.preventDefault();
    copy();
  }
  if (event.code === "KeyA") fresh = false;
  if (event.code === "KeyV" && !event.target.matches(FIELDS)) backToBox();
}

function onReasonDigit(event) {
  const reasons = document.activeElement.closest(".wrong[open] fieldset")?.querySelectorAll("button");
  const reason = reasons?.[Number(event.key) - 1];
  if (!reason || document.activeElement.matches("input")) return false;
  event.preventDefault();
  reason.form.requestSubmit(reason);
  return true;
}

function onEscape() {
  const wrong = result.querySelector(".wrong[open]");
  if (wrong) wrong.open = false;
  else if (asking) {
    stopAsking();
    leave(true);
    say("已取消查询");
  } else if (shown && !left && chosen()) chosen().classList.remove("is-chosen");
  else if (shown && !left && openRank() !== firstRank()) backToList();
  else if (!goingBack && !document.activeElement.matches(".gap input")) return clear();
  backToBox();
}

function onBoxKey(event) {
  if (event.key === "Enter" && !event.shiftKey) form.requestSubmit();
  else if (["ArrowDown", "ArrowUp"].includes(event.key) && shown && !left && box.value.trim() === shown) {
    pick(event.key === "ArrowDown" ? 1 : -1);
  } else {
    if (fresh && event.key === "Backspace") box.setSelectionRange(box.value.length, box.value.length);
    if (CARET_KEYS.includes(event.key) || event.key === "Backspace") fresh = false;
    return;
  }
  event.preventDefault();
}

// What is typed while something else has the focus, after a click on the card say, is meant for the box.
function onKeyElsewhere(event) {
  const writes = event.key.length === 1 && event.key !== " ";
  const moves = ["Backspace", "ArrowUp", "ArrowDown"].includes(event.key) && !event.target.closest(".wrong, dialog");
  const enters = event.key === "Enter" && !event.target.closest("a, button, summary");
  if (!writes && !moves && !enters) return;
  backToBox();
  onBoxKey(event);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229 || keys.open || event.defaultPrevented) return;
  if (event.altKey && !event.ctrlKey && !event.metaKey) return onAlt(event);
  if (event.ctrlKey || event.metaKey) return onControl(event);
  if (event.key === "Escape") return onEscape();
  if (event.target === box || !event.target.matches(FIELDS)) {
    if (["?", "？"].includes(event.key) && !box.value) {
      event.preventDefault();
      return keys.showModal();
    }
    if (event.target === box) onBoxKey(event);
    else if (!onReasonDigit(event)) onKeyElsewhere(event);
  }
});

document.addEventListener("click", (event) => {
  const todo = event.target.closest("[data-do]")?.dataset.do;
  if (todo === "keys") keys.showModal();
  if (todo === "copy") copy();
  if (todo === "unfold") unfold();
  const byMouse = event.detail > 0;
  if (todo === "unfold" || (byMouse && event.target.closest(".section > summary"))) backToBox();
  const candidate = event.target.closest(".others a");
  if (candidate && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    open(candidate.closest("li").dataset.rank);
  }
  const again = event.target.closest("a[data-ask]");
  if (again && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    backToBox();
    ask(shown, { remember: true, literally: !literal });
  }
});

result.addEventListener("submit", (event) => {
  if (event.target.matches("form.invite")) {
    event.preventDefault();
    return invite(event.target);
  }
  if (!event.target.matches("form.verdict, form.gap, form.gap-back")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});
result.addEventListener(
  "toggle",
  // The event comes late: whoever is already in the note stays there.
  ({ target }) =>
    target.matches(".wrong[open]") &&
    !target.querySelector("fieldset").contains(document.activeElement) &&
    target.querySelector("fieldset button").focus(),
  true,
);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
keys.addEventListener("close", backToBox);
// What has been typed since the key was pressed is the new caller's: only the question before it goes.
document.addEventListener("call-began", ({ detail }) => {
  if (box.value !== detail.before) return;
  stopAsking();
  clear();
});
box.addEventListener("pointerdown", () => (fresh = false));
box.addEventListener("input", () => {
  grow();
  const question = box.value.trim();
  if (question === shown) leave(false);
  else if (fresh || !question) {
    leave(true);
    say("");
  }
  fresh = false;
});
addEventListener("popstate", () => {
  goingBack = false;
  stopAsking();
  const query = new URLSearchParams(location.search);
  const question = query.get("q") ?? "";
  const rank = query.get("open") ?? undefined;
  const literally = query.has("literal");
  const kept = address(question, 0, literally);
  const here =
    question && question === shown && literally === literal && !left && box.value.trim() === question;
  fill(question);
  if (here) {
    view(rank ?? firstRank());
    offerToReplace();
  } else if (!question) show("", start.innerHTML);
  else if (answers.has(kept)) show(question, answers.get(kept), rank);
  else ask(question, { remember: false, rank, literally });
  backToBox();
});

const first = result.querySelector(".result");
if (first) {
  shown = first.dataset.q;
  literal = isLiteral();
  keep(shownAddress(), result.innerHTML);
  say(first.dataset.said);
}
grow();
backToBox();
if (shown && box.value.trim() === shown) offerToReplace();
else box.setSelectionRange(box.value.length, box.value.length);
