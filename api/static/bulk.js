// Rows chosen for one move together: all at once, and how many they are.

for (const all of document.querySelectorAll("[data-select-all]")) {
  const form = document.getElementById(all.dataset.selectAll);
  const boxes = () => [...form.elements].filter((box) => box.type === "checkbox" && ["entry", "version", "entry_id"].includes(box.name));
  const shown = form.querySelector("[data-selected]");
  const moves = [...form.querySelectorAll("button[name=move]")];

  function count() {
    const chosen = boxes().filter((box) => box.checked).length;
    if (shown) shown.textContent = chosen;
    for (const button of moves) button.disabled = !chosen;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  }

  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    count();
  });
  document.addEventListener("change", (event) => event.target !== all && boxes().includes(event.target) && count());
  form.addEventListener("submit", (event) => {
    const needsReason = ["withdraw", "mark-invalid", "send-back"].includes(event.submitter?.value);
    const reason = form.elements.reason;
    if (!needsReason || !reason || reason.value.trim()) return;
    event.preventDefault();
    reason.focus();
    reason.setAttribute("aria-invalid", "true");
  });
  count();
}
