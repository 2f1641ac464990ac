// What needs a script and loses nothing without one: a link that logs in, and one open form at a time.
document.querySelector("form[data-at-once]")?.requestSubmit();
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.(".command") || !event.target.open) return;
  for (const other of document.querySelectorAll(".command[open]")) {
    if (other !== event.target) other.open = false;
  }
  event.target.querySelector("input:not([type=hidden])")?.focus();
}, true);
