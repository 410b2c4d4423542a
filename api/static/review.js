// The review page by keyboard: A approves, S sends back, D goes on, ↑↓ move in the queue, digits tick the checklist.

const FIELDS = "input:not([type=checkbox]), textarea, select";
const opened = document.querySelector("[data-review]");
const said = document.getElementById("said");
const forward = document.getElementById("forward");
const back = document.getElementById("send-back");
const ticks = forward ? [...forward.querySelectorAll("input[name=ticked]")] : [];

let sure = null; // The button that was pressed once with points unticked.
let leaving = false; // A form is on its way: a key held down must not send it twice.

function say(text) {
  said.hidden = !text;
  said.classList.toggle("banner-good", false);
  said.classList.toggle("banner-warn", true);
  said.textContent = text;
}

function openReason() {
  back.hidden = false;
  document.querySelector("[data-opens]")?.setAttribute("aria-expanded", "true");
  back.elements.reason.focus();
}

function closeReason() {
  back.hidden = true;
  const button = document.querySelector("[data-opens]");
  button?.setAttribute("aria-expanded", "false");
  button?.focus();
}

function tick(number) {
  const some = number ? [ticks[number - 1]] : ticks;
  const to = number ? !some[0]?.checked : true;
  for (const box of some) if (box) box.checked = to;
  sure = null;
}

// Points left unticked are told once; a second press means it.
function checkTicks(event) {
  const left = ticks.filter((box) => !box.checked).length;
  if (!left || sure === event.submitter) return;
  event.preventDefault();
  sure = event.submitter;
  const key = event.submitter?.dataset.key === "A" ? "Shift+A" : "A";
  say(`还有 ${left} 个审核要点没有勾选。按 0 全部勾选，或再按一次 ${key} 直接通过。`);
}

function press(name) {
  const target = opened.querySelector(`[data-key="${name}"]`);
  if (!target) return false;
  if (target.dataset.opens) openReason();
  else target.click();
  return true;
}

function onKey(event) {
  if (leaving || event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("dialog")) return;
  if (event.key === "Escape" && back && !back.hidden) return closeReason();
  if (event.target.matches(FIELDS)) return;
  if (/^[0-9]$/.test(event.key) && ticks.length) {
    tick(Number(event.key));
    return event.preventDefault();
  }
  const arrow = event.key.startsWith("Arrow");
  if (arrow && event.target.closest(".queue-list")) return;
  const name = arrow ? event.key : event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase();
  if (press(name)) event.preventDefault();
}

function onQuickReason(event) {
  const button = event.target.closest("[data-reason]");
  if (!button) return;
  const field = back.elements.reason;
  field.value += button.dataset.reason;
  field.focus();
}

if (opened) {
  if (back) back.hidden = true;
  document.addEventListener("keydown", onKey);
  forward?.addEventListener("submit", checkTicks);
  back?.addEventListener("click", onQuickReason);
  document.addEventListener("submit", (event) => (leaving = leaving || !event.defaultPrevented));
  addEventListener("pageshow", () => (leaving = false));
  opened.addEventListener("click", (event) => event.target.closest("[data-opens]") && openReason());
  document.querySelector(".queue-list .is-here")?.scrollIntoView({ block: "nearest" });
}
