// The monthly look by keyboard: 1, 2, 3 say what was found, D passes an entry over.

const FIELDS = "input:not([type=hidden]), textarea, select";
const form = document.querySelector("[data-review]");
let sent = false;

document.addEventListener("keydown", (event) => {
  if (!form || sent || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
  if (event.target.matches(FIELDS)) return;
  const button = form.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

form?.addEventListener("submit", (event) => {
  const note = form.elements.note;
  if (event.submitter?.value === "invalid" && !note.value.trim()) {
    event.preventDefault();
    note.focus();
    document.querySelector("[data-review-said]").textContent = "判为已失效时请写明原因。";
    return;
  }
  sent = true;
});
