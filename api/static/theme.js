// Runs before the first paint: the chosen theme, and the mark that scripts run here.
document.documentElement.classList.add("js");
try {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be switched off by policy; the system's own preference then holds.
}
