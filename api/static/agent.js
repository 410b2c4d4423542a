// The agent's page: ask without a reload, read, copy, judge, record a gap; the focus always comes back to the box.

const KEPT_ANSWERS = 30;

const box = document.getElementById("q");
const form = document.getElementById("ask");
const result = document.getElementById("result");
const said = document.getElementById("said");
const keys = document.getElementById("keys");
const start = document.getElementById("start");

const answers = new Map();
let latest = 0;
let shown = "";

const cards = () => [...result.querySelectorAll(".card")];
const openCard = () => cards().find((card) => !card.hidden);
const others = () => [...result.querySelectorAll(".others li")];

function say(text) {
  said.textContent = "";
  requestAnimationFrame(() => (said.textContent = text));
}

function backToBox() {
  box.focus({ preventScroll: true });
}

function grow() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 3}px`;
}

function address(question, rank) {
  if (!question) return "/";
  return "/?" + new URLSearchParams(rank ? { q: question, open: rank } : { q: question });
}

// The text of a reply, or null after telling the agent what happened; a lost login leads to the door and back.
async function read(path, options) {
  try {
    const reply = await fetch(path, options);
    if (reply.redirected && new URL(reply.url).pathname === "/login") {
      location.assign("/login?" + new URLSearchParams({ next: address(box.value.trim()) }));
      return null;
    }
    const text = await reply.text();
    if (reply.ok) return text;
    const page = new DOMParser().parseFromString(text, "text/html");
    say(page.querySelector(".message")?.textContent ?? `没有成功（${reply.status}），内容已保留，请重试。`);
  } catch {
    say("连不上服务器，内容已保留，请稍后重试。");
  }
  return null;
}

function show(question, html) {
  shown = question;
  result.innerHTML = html;
  document.title = `${question || "知识查询"} · 直答`;
  say(result.querySelector(".result")?.dataset.said ?? "");
}

function keep(question, html) {
  answers.set(question, html);
  if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value);
}

async function ask(question, { remember }) {
  const mine = ++latest;
  result.classList.add("is-waiting");
  const html = await read("/ask?" + new URLSearchParams({ q: question }));
  if (mine !== latest) return;
  result.classList.remove("is-waiting");
  if (html === null) return;
  keep(question, html);
  if (remember) history.pushState(null, "", address(question));
  show(question, html);
}

function submit() {
  const question = box.value.trim();
  if (!question) return;
  const picked = others().find((item) => item.classList.contains("is-chosen"));
  if (picked && question === shown) open(picked.dataset.rank);
  else ask(question, { remember: true });
  backToBox();
}

function clear() {
  if (!box.value && !shown) return;
  latest += 1;
  box.value = "";
  grow();
  result.classList.remove("is-waiting");
  if (shown) history.pushState(null, "", "/");
  show("", start.innerHTML);
  backToBox();
}

function open(rank) {
  const wanted = cards().find((card) => card.dataset.rank === String(rank));
  if (!wanted) return;
  for (const card of cards()) card.hidden = card !== wanted;
  for (const item of others()) {
    const here = item.dataset.rank === String(rank);
    item.classList.toggle("is-open", here);
    item.classList.remove("is-chosen");
    item.querySelector("a").toggleAttribute("aria-current", here);
  }
  result.querySelector(".result").classList.remove("chooses");
  history.replaceState(null, "", address(shown, rank));
  say(`第 ${rank} 条：${wanted.querySelector("h2").textContent}`);
  wanted.scrollIntoView({ block: "nearest" });
  backToBox();
}

function pick(step) {
  const items = others();
  if (!items.length) return;
  const marked = ["is-chosen", "is-open"].map((name) => items.findIndex((item) => item.classList.contains(name)));
  const now = marked.find((position) => position >= 0) ?? (step > 0 ? -1 : items.length);
  const next = Math.min(Math.max(now + step, 0), items.length - 1);
  items.forEach((item, position) => item.classList.toggle("is-chosen", position === next));
  items[next].scrollIntoView({ block: "nearest" });
  say(items[next].querySelector(".other-question").textContent);
}

function nothingSelected() {
  const inBox = document.activeElement === box && box.selectionStart !== box.selectionEnd;
  return !inBox && document.getSelection().isCollapsed;
}

// The clipboard interface exists on https and localhost only; halls run plain http, so the old way stays.
async function copy() {
  const text = openCard()?.dataset.copy;
  if (!text) return say("还没有打开的答案可复制");
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    const spare = document.createElement("textarea");
    spare.value = text;
    spare.className = "unseen";
    document.body.append(spare);
    spare.select();
    document.execCommand("copy");
    spare.remove();
  }
  say("已复制口径");
  backToBox();
}

function unfold() {
  const sections = [...(openCard()?.querySelectorAll(".section") ?? [])];
  const all = sections.every((section) => section.open);
  for (const section of sections) section.open = !all;
}

function press(selector) {
  const button = (openCard() ?? result).querySelector(selector);
  if (button) button.form.requestSubmit(button);
  else say("请先打开一条答案");
}

function chooseReason() {
  const wrong = openCard()?.querySelector(".wrong");
  if (!wrong) return say("请先打开一条答案");
  wrong.open = true;
  wrong.querySelector("fieldset button").focus();
}

function recordGap() {
  const gap = result.querySelector("form.gap");
  if (gap) gap.requestSubmit();
  else say(shown ? "这个问题已记为知识缺失" : "请先查询，再记知识缺失");
}

async function send(pieceForm, submitter) {
  const body = new FormData(pieceForm, submitter);
  const html = await read(pieceForm.getAttribute("action"), { method: "POST", body, headers: { "X-Piece": "1" } });
  if (html === null) return backToBox();
  const piece = document.createRange().createContextualFragment(html);
  const spoken = piece.querySelector(".recorded")?.textContent.trim() ?? "";
  pieceForm.replaceWith(piece);
  keep(shown, result.innerHTML);
  say(spoken);
  backToBox();
}

const ALT_KEYS = { KeyY: () => press(".right"), KeyN: chooseReason, KeyG: recordGap, KeyD: unfold,
  KeyW: () => openCard()?.classList.toggle("shows-why") };

function onAlt(event) {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  const action = digit ? () => open(digit[1]) : ALT_KEYS[event.code];
  if (!action) return;
  event.preventDefault();
  action();
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
  else if (!document.activeElement.matches(".gap input")) return clear();
  backToBox();
}

function onBoxKey(event) {
  if (event.key === "Enter" && !event.shiftKey) form.requestSubmit();
  else if (["ArrowDown", "ArrowUp"].includes(event.key) && shown && box.value.trim() === shown) {
    pick(event.key === "ArrowDown" ? 1 : -1);
  } else return;
  event.preventDefault();
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229 || keys.open || event.defaultPrevented) return;
  if (event.altKey && !event.ctrlKey && !event.metaKey) return onAlt(event);
  if (event.ctrlKey || event.metaKey) {
    if (event.code === "KeyC" && !event.shiftKey && nothingSelected() && openCard()) {
      event.preventDefault();
      copy();
    }
    return;
  }
  if (event.key === "Escape") return onEscape();
  if (["?", "？"].includes(event.key) && !box.value) {
    event.preventDefault();
    return keys.showModal();
  }
  if (event.target === box) return onBoxKey(event);
  if (onReasonDigit(event)) return;
  const writes = event.key.length === 1 && event.key !== " ";
  if (writes && !event.target.matches("input, textarea, select")) backToBox();
});

document.addEventListener("click", (event) => {
  const todo = event.target.closest("[data-do]")?.dataset.do;
  if (todo === "keys") keys.showModal();
  if (todo === "copy") copy();
  if (todo === "unfold") {
    unfold();
    backToBox();
  }
  const candidate = event.target.closest(".others a");
  if (candidate && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    open(candidate.closest("li").dataset.rank);
  }
});

result.addEventListener("submit", (event) => {
  if (!event.target.matches("form.verdict, form.gap")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
keys.addEventListener("close", backToBox);
box.addEventListener("input", grow);
addEventListener("popstate", () => {
  const query = new URLSearchParams(location.search);
  const question = query.get("q") ?? "";
  box.value = question;
  grow();
  if (!question) show("", start.innerHTML);
  else if (answers.has(question)) {
    show(question, answers.get(question));
    if (query.has("open")) open(query.get("open"));
  } else ask(question, { remember: false });
  backToBox();
});

const first = result.querySelector(".result");
if (first) {
  shown = first.dataset.q;
  keep(shown, result.innerHTML);
  say(first.dataset.said);
}
grow();
backToBox();
box.setSelectionRange(box.value.length, box.value.length);
