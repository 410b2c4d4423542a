// The call on the agent's page: its running time, its ending by one key, and what is done with the answers.

const bar = () => document.getElementById("call");
const box = document.getElementById("q");
const said = document.getElementById("said");
const keys = document.getElementById("keys");
const result = document.getElementById("result");
const csrf = () => bar().querySelector("[name=csrf]").value;

let drawn = performance.now();
let refreshed = drawn; // When we last asked for the bar, whatever came of it.
let sending = false;

function say(text) {
  said.textContent = "";
  said.title = text;
  requestAnimationFrame(() => (said.textContent = text));
}

function put(html) {
  const inBar = bar().contains(document.activeElement);
  bar().outerHTML = html;
  drawn = refreshed = performance.now();
  if (inBar) box.focus({ preventScroll: true });
}

// The call may have ended by itself meanwhile, or the keys no longer mean the one before.
function grownOld(since) {
  const after = Number(bar().dataset.refresh ?? Infinity);
  return performance.now() - since > after * 1000;
}

function tick() {
  if (grownOld(refreshed) && document.visibilityState === "visible" && !sending) return refresh();
  const time = bar().querySelector("[data-call-time]");
  if (!time) return;
  const seconds = Number(bar().dataset.seconds) + Math.floor((performance.now() - drawn) / 1000);
  time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// The new bar, or the problem in words.
async function post(address, body) {
  try {
    const reply = await fetch(address, { method: "POST", body, headers: { "X-Piece": "1" } });
    if (reply.redirected) return { problem: "登录已到期，请刷新页面" };
    const text = await reply.text();
    if (reply.ok) return { text };
    const page = new DOMParser().parseFromString(text, "text/html");
    return { problem: page.querySelector(".message")?.textContent.trim() ?? "服务器没有接受" };
  } catch {
    return { problem: "连不上服务器" };
  }
}

async function refresh() {
  refreshed = performance.now();
  try {
    const reply = await fetch("/call");
    if (reply.ok && !reply.redirected) put(await reply.text());
  } catch {} // The next act finds out.
}

async function send(form, submitter) {
  if (sending) return;
  sending = true;
  const before = box.value;
  const body = new URLSearchParams(new FormData(form, submitter));
  const { text, problem } = await post(form.getAttribute("action"), body);
  box.focus({ preventScroll: true });
  if (problem) {
    say(`没有记下：${problem}`);
    await refresh();
  }
  sending = false;
  if (problem) return;
  put(text);
  if (form.matches(".call-begin")) {
    document.dispatchEvent(new CustomEvent("call-began", { detail: { before } }));
    say("新来电");
  } else say(bar().querySelector(".call-state").textContent.replace(/\s+/g, " ").trim());
}

// After a while the keys no longer mean the call before: the next caller may be on the line.
const tooLate = () => !("open" in bar().dataset) && grownOld(drawn);

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229 || keys.open || event.defaultPrevented) return;
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  if (!letter || !"ATZORBL".includes(letter)) return;
  event.preventDefault();
  if (event.repeat) return;
  const button = bar().querySelector(`[data-key="${letter}"]`);
  if (button && (letter === "L" || !tooLate())) button.form.requestSubmit(button);
  else say("没有进行中的来电：查询第一个问题时自动开始，或按 Alt+L");
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".call-end, .call-begin")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

// The arrow keys change a closed list at each step: the focus stays in it until Enter or Esc.
document.addEventListener("change", async (event) => {
  if (event.target.id !== "call-matter") return;
  const chosen = event.target.selectedOptions[0].textContent;
  const { problem } = await post("/call/matter", new URLSearchParams(new FormData(event.target.form)));
  say(problem ? `没有记下：${problem}` : `诉求类别：${chosen}`);
  if (problem) refresh();
});
document.addEventListener(
  "keydown",
  (event) => {
    if (event.target.id !== "call-matter" || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    box.focus({ preventScroll: true });
  },
  true,
);

// Nobody waits for this: the answer is on the screen already.
function used(card, kind) {
  const question = result.querySelector(".result")?.dataset.question;
  if (!question || !card?.dataset.version) return;
  const facts = { csrf: csrf(), question_id: question, version_id: card.dataset.version, kind };
  navigator.sendBeacon("/use", new URLSearchParams(facts));
}

document.addEventListener("answer-used", ({ detail }) => used(detail.card, detail.kind));
document.addEventListener("copy", () => {
  const place = document.getSelection().anchorNode;
  const card = (place?.nodeType === Node.ELEMENT_NODE ? place : place?.parentElement)?.closest(".card");
  if (card && !document.getSelection().isCollapsed) used(card, "copied");
});

// A fresh answer brings the call along in which it was asked.
document.addEventListener("answered", () => {
  const fresh = result.querySelector("template.call-now");
  if (fresh) put(fresh.innerHTML);
  fresh?.remove();
});

document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
setInterval(tick, 1000);
