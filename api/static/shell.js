// What every page has: the theme switch, the folding rail, the way back, the bell, files dropped on a form, forms that ask first.

const root = document.documentElement;

function switchTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Without storage the choice lasts for this page.
  }
}

function foldRail(button) {
  const open = document.getElementById("rail").classList.toggle("is-open");
  button.setAttribute("aria-expanded", String(open));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches("[data-theme-toggle]")) switchTheme();
  if (button.matches(".rail-toggle")) foldRail(button);
  if (button.dataset.do === "back") history.back();
  if (button.dataset.do === "print") print();
});

for (const select of document.querySelectorAll("[data-submit-on-change]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

for (const area of document.querySelectorAll(".drop")) {
  const input = area.querySelector("input[type=file]");
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("is-over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("is-over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("is-over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.form.requestSubmit();
  });
  input.addEventListener("change", () => input.files.length && input.form.requestSubmit());
}

const BELL_MS = 30_000;
const bell = document.querySelector("[data-bell]");
const unread = () => Number(bell.querySelector("[data-unread]")?.dataset.unread ?? 0);

async function lookForMessages() {
  if (document.hidden) return;
  const before = unread();
  try {
    const reply = await fetch("/notifications/bell", { headers: { "X-Piece": "1" }, redirect: "error" });
    if (!reply.ok) return;
    const held = bell.contains(document.activeElement);
    bell.innerHTML = await reply.text();
    if (held) bell.querySelector("a").focus({ preventScroll: true });
  } catch {
    return; // Away for a moment, or logged out: the next page says so.
  }
  if (unread() > before) document.querySelector("[data-bell-said]").textContent = `有 ${unread() - before} 条新消息`;
}

if (bell) {
  setInterval(lookForMessages, BELL_MS);
  document.addEventListener("visibilitychange", lookForMessages);
}
