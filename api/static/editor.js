// The editor's page: the card and the checks follow the text, lists become chips, nothing typed is lost.

const PAUSE_MS = 350;
const KEEP_MS = 300;

const form = document.getElementById("entry-form");
const NOT_KEPT = new Set(["csrf", "stamp", "code", "unit", "origin", "notice", "confirmed"]);
const SPLIT = { lines: /[\r\n]+/, words: /[\r\n,，;；、|]+/ };
const GLUE = { lines: "\n", words: "、" };

const belongsToInputMethod = (event) => event.isComposing || event.keyCode === 229;

// ---- Chips: a textarea that stays the form's field, shown as a list with a box to add to it.

function chips(area) {
  const kind = area.dataset.chips;
  const name = area.dataset.chip;
  const list = document.createElement("ul");
  const box = document.createElement("input");
  const said = document.createElement("p");
  list.className = "chips";
  list.setAttribute("aria-label", `已有的${name}`);
  box.id = `${area.id}-box`;
  box.autocomplete = "off";
  box.setAttribute("aria-describedby", area.getAttribute("aria-describedby"));
  box.placeholder = kind === "lines" ? `加一条${name}，回车确认；可一次粘贴多行` : `加${name}，回车确认`;
  said.className = "unseen";
  said.setAttribute("role", "status");
  area.hidden = true;
  area.before(list, box, said);
  area.labels[0].htmlFor = box.id;

  const texts = () => area.value.split(SPLIT[kind]).map((text) => text.trim()).filter(Boolean);

  function store(all) {
    area.value = all.join(GLUE[kind]);
    draw();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function chip(text, place) {
    const item = document.createElement("li");
    const words = document.createElement("button");
    const drop = document.createElement("button");
    words.type = drop.type = "button";
    words.className = "chip-text";
    words.textContent = text;
    words.title = "点一下修改";
    words.addEventListener("click", () => edit(place));
    drop.className = "chip-drop";
    drop.textContent = "×";
    drop.setAttribute("aria-label", `删去“${text}”`);
    drop.addEventListener("click", () => {
      store(texts().filter((_, at) => at !== place));
      said.textContent = `已删去“${text}”`;
      box.focus();
    });
    item.append(words, drop);
    return item;
  }

  function draw() {
    list.replaceChildren(...texts().map(chip));
    list.hidden = !list.children.length;
  }

  // What is already there is not added again; it is said instead.
  function add(typed) {
    const all = texts();
    const given = typed.split(SPLIT[kind]).map((text) => text.trim()).filter(Boolean);
    const fresh = [...new Set(given)].filter((text) => !all.includes(text));
    if (fresh.length) store([...all, ...fresh]);
    const twice = given.length - fresh.length;
    said.textContent = `已加 ${fresh.length} 条${twice ? `，${twice} 条重复` : ""}，共 ${texts().length} 条`;
  }

  function take() {
    if (!box.value.trim()) return false;
    add(box.value);
    box.value = "";
    return true;
  }

  function edit(place) {
    take();
    const all = texts();
    box.value = all[place] ?? "";
    store(all.filter((_, at) => at !== place));
    box.focus();
  }

  box.addEventListener("keydown", (event) => {
    if (belongsToInputMethod(event)) return;
    if (event.key === "Enter" && !event.ctrlKey) {
      event.preventDefault();
      take();
    } else if (event.key === "Backspace" && !box.value && texts().length) {
      event.preventDefault();
      edit(texts().length - 1);
    }
  });
  box.addEventListener("input", (event) => {
    event.stopPropagation();
    if (!event.isComposing && kind === "words" && SPLIT.words.test(box.value)) take();
  });
  box.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (!SPLIT[kind].test(text.trim())) return;
    event.preventDefault();
    add(text);
  });
  box.addEventListener("blur", take);
  area.takeRest = take;
  area.redraw = draw;
  area.editAt = edit;
  draw();
}

// ---- Documents that an answer rests on.

const rows = form?.querySelector(".basis-rows");
const written = () => [...rows.children].filter((row) => [...row.querySelectorAll("input")].some((box) => box.value.trim() && box.value.trim() !== "0"));

function renumber() {
  [...rows.children].forEach((row, at) => {
    for (const part of row.querySelectorAll("[aria-label]")) {
      part.setAttribute("aria-label", part.getAttribute("aria-label").replace(/第 .+? 件/, `第 ${at + 1} 件`));
    }
  });
}

function addBasis() {
  rows.append(document.getElementById("basis-row").content.cloneNode(true));
  renumber();
  rows.lastElementChild.querySelector("input").focus();
}

function dropBasis(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (!rows.children.length) rows.append(document.getElementById("basis-row").content.cloneNode(true));
  renumber();
  (next ?? rows.lastElementChild).querySelector("input").focus();
  changed();
}

// ---- What the chosen type asks for.

function showDemands() {
  const asked = JSON.parse(form.dataset.asked);
  const told = asked[form.elements.info_type.value] ?? asked[""];
  for (const mark of form.querySelectorAll("[data-demand]")) {
    const [word, rule] = told[mark.dataset.demand] ?? ["", ""];
    mark.hidden = !word;
    mark.textContent = word;
    mark.title = rule;
  }
}

// ---- Card and checks beside the text.

let timer = 0;
let running = null;
const parts = () => [...document.querySelectorAll("[data-part]")];

async function lookAgain() {
  running?.abort();
  const mine = (running = new AbortController());
  try {
    const reply = await fetch("/write/check", { method: "POST", body: new URLSearchParams(new FormData(form)), signal: mine.signal });
    if (mine !== running) return;
    if (reply.redirected) return tell("登录已到期：内容留在本机，重新登录后回到本页继续");
    if (!reply.ok) return tell("现在不能检查，内容留在本机");
    show(new DOMParser().parseFromString(await reply.text(), "text/html"));
  } catch {
    if (!mine.signal.aborted) tell("连不上服务器，内容留在本机");
  }
}

// Only what is other than before is replaced, so nothing flickers, and a box that was ticked stays ticked.
function show(fetched) {
  for (const part of parts()) {
    const fresh = fetched.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!fresh) continue;
    const before = part.cloneNode(true);
    const open = new Map([...part.querySelectorAll("details")].map((fold) => [fold.querySelector(".section-name")?.textContent, fold.open]));
    for (const fold of fresh.querySelectorAll("details")) {
      const was = open.get(fold.querySelector(".section-name")?.textContent);
      if (was !== undefined) fold.open = was;
    }
    const ticked = part.querySelector("[name=confirmed]:checked")?.value;
    const box = fresh.querySelector("[name=confirmed]");
    if (before.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
    if (box && ticked === box.value) box.checked = true;
  }
  tell(fetched.querySelector("[data-said]")?.dataset.said ?? "");
}

function tell(text) {
  for (const place of document.querySelectorAll("[data-checks-said]")) place.textContent = text;
  const live = document.querySelector("[data-checks-live]");
  if (live.textContent !== `检查：${text}`) live.textContent = `检查：${text}`;
}

function changed() {
  clearTimeout(timer);
  timer = setTimeout(lookAgain, PAUSE_MS);
  keepSoon();
}

// ---- One stroke mends, one click leads to the place.

function field(name, place) {
  if (name.startsWith("basis")) {
    const input = { basis: "basis_document", basis_number: "basis_number", basis_attachments: "basis_attachments" }[name];
    return (written()[place] ?? rows.children[0])?.querySelector(`[name=${input}]`);
  }
  return form.elements[name];
}

function mend(button) {
  const target = field(button.dataset.mend, Number(button.dataset.place));
  if (!target) return;
  let text = target.value;
  if (target.dataset.chips) text = text.split("\n").map((line, at) => (at === Number(button.dataset.place) ? mended(line, button) : line)).join("\n");
  else text = mended(text, button);
  target.value = text;
  target.redraw?.();
  button.disabled = true;
  changed();
}

const mended = (text, button) => JSON.parse(button.dataset.fixes).reduce((now, [old, right]) => now.replaceAll(old, right), text);

function goTo(link) {
  const target = field(link.dataset.field, Number(link.dataset.place));
  if (!target) return false;
  (target.hidden ? document.getElementById(`${target.id}-box`) : target).focus();
  return true;
}

// ---- What is typed is kept on this machine until it has been saved.

const STORE = "zhida-writing:";
const SENT = "zhida-sent";
const key = form && STORE + form.dataset.key;
let keeping = 0;

const said = () => JSON.stringify([...new FormData(form)].filter(([name]) => !NOT_KEPT.has(name)));

function store(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
    return true;
  } catch {
    return false; // Without storage only the browser's own memory of the form helps.
  }
}

function stored(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

function keep() {
  clearTimeout(keeping);
  const at = new Date();
  if (!store(key, JSON.stringify({ stamp: form.elements.stamp.value, at: at.getTime(), fields: said() }))) return;
  const mark = document.querySelector("[data-kept-at]");
  if (mark) mark.textContent = `${clock(at)} 已留存在本机`;
}

function keepSoon() {
  clearTimeout(keeping);
  keeping = setTimeout(keep, KEEP_MS);
}

const clock = (at) => `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;

function fill(fields) {
  const given = new Map();
  for (const [name, value] of JSON.parse(fields)) given.set(name, [...(given.get(name) ?? []), value]);
  const most = given.get("basis_document")?.length ?? 0;
  while (rows.children.length < most) rows.append(document.getElementById("basis-row").content.cloneNode(true));
  renumber();
  for (const [name, values] of given) {
    const boxes = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)];
    boxes.forEach((box, at) => (box.value = values[at] ?? ""));
  }
  for (const area of form.querySelectorAll("[data-chips]")) area.redraw();
  showDemands();
  changed();
}

// A form that was sent and came back saved needs its copy no more.
function settle() {
  if (!document.querySelector("[data-saved]")) return;
  const sent = sessionStorage.getItem(SENT);
  if (sent) store(sent, null);
  sessionStorage.removeItem(SENT);
}

function offerKept() {
  const kept = stored(key);
  if (!kept || kept.fields === said()) return;
  const bar = document.querySelector("[data-kept]");
  const words = bar.querySelector("[data-kept-said]");
  const again = bar.querySelector("[data-do=restore]");
  bar.hidden = false;
  if (kept.stamp === form.elements.stamp.value && !document.querySelector("[role=alert]")) {
    const before = said();
    fill(kept.fields);
    words.textContent = `已恢复您 ${clock(new Date(kept.at))} 写的、还没有保存的内容。`;
    bar.querySelector("[data-do=forget]").addEventListener("click", () => fill(before));
  } else {
    words.textContent = `您 ${clock(new Date(kept.at))} 写的内容没有保存，这一条后来又被保存过。`;
    again.hidden = false;
    again.addEventListener("click", () => {
      fill(kept.fields);
      bar.hidden = true;
    });
  }
  bar.querySelector("[data-do=forget]").addEventListener("click", () => {
    clearTimeout(keeping);
    store(key, null);
    bar.hidden = true;
    form.elements.question.focus();
  });
}

function send(how) {
  const button = form.querySelector(`[name=do][value=${how}]`);
  if (button && !button.disabled) form.requestSubmit(button);
}

// ---- All together.

settle();
if (form) {
  document.documentElement.classList.add("scripted");
  for (const area of form.querySelectorAll("[data-chips]")) chips(area);
  form.addEventListener("input", changed);
  form.addEventListener("change", (event) => {
    if (event.target.name === "info_type") showDemands();
  });
  form.addEventListener("submit", (event) => {
    for (const area of form.querySelectorAll("[data-chips]")) area.takeRest();
    keep();
    sessionStorage.setItem(SENT, key);
    const sender = event.submitter;
    setTimeout(() => sender && (sender.disabled = true));
    setTimeout(() => sender && (sender.disabled = false), 5000);
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const link = event.target.closest("a[data-field]");
    if (link && goTo(link)) event.preventDefault();
    if (!button) return;
    if (button.dataset.mend) mend(button);
    if (button.dataset.do === "add-basis") addBasis();
    if (button.dataset.do === "drop-basis") dropBasis(button.closest("li"));
  });
  document.addEventListener("keydown", (event) => {
    if (belongsToInputMethod(event) || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (event.key === "s" || event.key === "S") {
      event.preventDefault();
      send("save");
    } else if (event.key === "Enter") {
      event.preventDefault();
      send("submit");
    }
  });
  offerKept();
}
