// What needs a script and loses nothing without one: a link that logs in, one open form at a time, sliders.
document.querySelector("form[data-at-once]")?.requestSubmit();
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.(".command") || !event.target.open) return;
  for (const other of document.querySelectorAll(".command[open]")) {
    if (other !== event.target) other.open = false;
  }
  event.target.querySelector("input:not([type=hidden])")?.focus();
}, true);
// A slider beside each number that has a scale: the number is what is sent, and can be written exactly.
for (const field of document.querySelectorAll("input[data-low]")) {
  const [low, high] = [Number(field.dataset.low), Number(field.dataset.high)];
  const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100 });
  slider.setAttribute("aria-label", `${field.labels[0].textContent}, by slider`);
  const follow = () => { slider.value = 100 * Math.log(field.value / low) / Math.log(high / low); };
  slider.addEventListener("input", () => {
    field.value = Number((low * (high / low) ** (slider.value / 100)).toPrecision(2));
  });
  field.addEventListener("input", follow);
  field.after(slider);
  follow();
}
