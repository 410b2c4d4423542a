// Proposals by keyboard: A accepts, S asks for the reason and then rejects, D passes one over.

const FIELDS = "input:not([type=hidden]), textarea, select";
const form = document.querySelector("[data-proposal]");
const remark = form?.elements.remark;
const said = document.querySelector("[data-proposal-said]");
let sent = false;

document.addEventListener("keydown", (event) => {
  if (!form || sent || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
  if (event.target.matches(FIELDS)) return;
  const target = form.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target) return;
  event.preventDefault();
  target.click();
});

// Enter in the reason means the rejection that it is written for.
remark?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  form.querySelector("[value=reject]").click();
});

form?.addEventListener("click", (event) => {
  const reason = event.target.closest("[data-reason]");
  if (!reason) return;
  remark.value = reason.dataset.reason;
  remark.focus();
});

form?.addEventListener("submit", (event) => {
  if (event.submitter?.value === "reject" && !remark.value.trim()) {
    event.preventDefault();
    said.textContent = "请写明不采纳的原因，再按 Enter。";
    remark.focus();
    return;
  }
  if (sent) event.preventDefault();
  sent = true;
});

addEventListener("pageshow", () => (sent = false));
