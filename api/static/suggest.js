// Suggestions under the box while one types; none while an input method composes, and stale ones are dropped.
// The first key asks at once; while one goes on typing, what stands in the box is asked every so often.

const EVERY_MS = 60;

const box = document.getElementById("q");
const form = document.getElementById("ask");
const list = document.getElementById("suggestions");

let composing = false;
let timer = 0;
let sent = -EVERY_MS;
let latest = 0;
let running = null;
let chosen = -1;

// The Enter or arrow that an input method takes for itself also arrives here; 229 is how browsers mark it.
const belongsToInputMethod = (event) => composing || event.isComposing || event.keyCode === 229;

function close() {
  clearTimeout(timer);
  timer = 0;
  latest += 1;
  running?.abort();
  list.hidden = true;
  list.textContent = "";
  choose(-1);
}

function choose(position) {
  const options = list.children;
  options[chosen]?.setAttribute("aria-selected", "false");
  chosen = position;
  const option = options[chosen];
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) box.setAttribute("aria-activedescendant", option.id);
  else box.removeAttribute("aria-activedescendant");
}

function take(option) {
  box.value = option.dataset.text;
  close();
  form.requestSubmit();
}

function soon() {
  if (!box.value.trim()) return close();
  timer ||= setTimeout(fetchSuggestions, Math.max(0, sent + EVERY_MS - performance.now()));
}

async function fetchSuggestions() {
  timer = 0;
  sent = performance.now();
  const typed = box.value;
  const mine = ++latest;
  running?.abort();
  running = new AbortController();
  try {
    const reply = await fetch("/suggest?" + new URLSearchParams({ q: typed }), { signal: running.signal });
    const html = reply.ok && !reply.redirected ? await reply.text() : "";
    if (mine !== latest || composing || typed !== box.value) return;
    list.innerHTML = html;
    chosen = -1;
    choose(-1);
    list.hidden = !list.children.length;
  } catch {
    // A lost suggestion is no loss: the question itself can still be asked.
  }
}

box.addEventListener("compositionstart", () => {
  composing = true;
  close();
});
box.addEventListener("compositionend", () => {
  composing = false;
  soon();
});
box.addEventListener("input", (event) => {
  if (composing || event.isComposing) return;
  soon();
});

box.addEventListener("keydown", (event) => {
  if (belongsToInputMethod(event) || list.hidden) return;
  const count = list.children.length;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) choose(((chosen + 1 + step + count + 1) % (count + 1)) - 1);
  else if (event.key === "Enter" && !event.shiftKey && chosen >= 0) take(list.children[chosen]);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
});

list.addEventListener("mousedown", (event) => {
  event.preventDefault();
  const option = event.target.closest("[role=option]");
  if (option) take(option);
});
form.addEventListener("submit", close);
box.addEventListener("blur", close);
