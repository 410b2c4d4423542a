// The banner of emergency information: asked for again every 15 s, each line taken off on the very second.

const EVERY_MS = 15_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1; // A longer one fires at once; what ends in a month is taken off when asked for again.
const box = document.querySelector("[data-emergencies]");
const said = document.querySelector("[data-emergencies-said]");

let timers = [];
let shown = "";

const lines = () => [...box.querySelectorAll(".emergency")];
const keys = () => lines().map((line) => line.dataset.key);

// The first lines stand open; when one goes, the first folded one comes up.
function settle() {
  const more = box.querySelector(".emergency-more");
  const folded = more ? [...more.querySelectorAll(".emergency")] : [];
  while (folded.length && box.querySelectorAll(":scope > .emergency").length < 2) box.insertBefore(folded.shift(), more);
  if (more && !folded.length) more.remove();
  else if (more) more.querySelector("[data-more]").textContent = folded.length;
  box.hidden = !lines().length;
}

function startTimers() {
  timers.forEach(clearTimeout);
  timers = lines()
    .filter((line) => Number(line.dataset.leftMs) <= LONGEST_TIMER_MS)
    .map((line) =>
      setTimeout(() => {
        line.remove();
        settle();
      }, Number(line.dataset.leftMs)),
    );
}

function show(html) {
  const before = new Set(keys());
  const open = box.querySelector(".emergency-more")?.open ?? false;
  box.innerHTML = html;
  const more = box.querySelector(".emergency-more");
  if (more) more.open = open;
  settle();
  startTimers();
  const fresh = lines().filter((line) => !before.has(line.dataset.key));
  if (fresh.length) said.textContent = fresh.map((line) => `应急信息：${line.textContent.replace(/\s+/g, " ").trim()}`).join("。");
}

async function ask() {
  if (document.hidden) return;
  try {
    const reply = await fetch("/emergencies");
    if (!reply.ok || reply.redirected) return;
    const html = (await reply.text()).trim();
    const same = html.replace(/data-left-ms="\d+"/g, "");
    if (same === shown) return;
    shown = same;
    show(html);
  } catch {
    // Without the service the lines that are there still end in time.
  }
}

settle();
startTimers();
setInterval(ask, EVERY_MS);
document.addEventListener("visibilitychange", ask);
