// A test run that goes on: its progress is fetched anew until it has ended, then the page is.

const PAUSE_MS = 1000;
const state = document.querySelector("[data-progress]");

async function look() {
  try {
    const reply = await fetch(state.dataset.progress, { headers: { "X-Piece": "1" }, redirect: "error" });
    if (reply.ok) state.innerHTML = await reply.text();
  } catch {
    // Away for a moment: the next look says more.
  }
  if (state.querySelector("[data-goes-on=no]")) location.reload();
  else setTimeout(look, PAUSE_MS);
}

if (state) setTimeout(look, PAUSE_MS);
