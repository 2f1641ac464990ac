// What needs a script and loses nothing without one: a link that logs in, one open form at a time, sliders, and a
// release that goes on: it is looked at when its stream says so, and often where there is no room for one.
const once = document.querySelector("form[data-at-once]");
// Its code is in no address that is sent, and in none that is kept in the browser's history.
function enter() {
  const code = location.hash.slice(1);
  if (!once || !code) return;
  history.replaceState(null, "", location.pathname);
  once.elements.code.value = code;
  once.requestSubmit();
}
enter();
addEventListener("hashchange", enter); // another one, pasted where one was
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

const OFTEN = 2000, SELDOM = 10000, TURN = 1000, TOGETHER = 100, REFUSED = 60000; // milliseconds
const going = () => document.querySelector("#live[data-stream]");
let stream, waiting, looked = Date.now(), again = 0;

function look() {
  looked = Date.now();
  waiting = undefined;
  going()?.dispatchEvent(new Event("look"));
}

function shut() {
  stream?.close();
  stream = undefined;
}

function listen() {
  stream = new EventSource(going().dataset.stream);
  for (const kind of ["entry", "release", "end"]) {
    stream.addEventListener(kind, () => { waiting ??= setTimeout(look, TOGETHER); });
  }
  stream.addEventListener("end", shut);
  stream.addEventListener("error", () => {
    if (stream?.readyState !== EventSource.CLOSED) return; // it comes again by itself
    shut();
    again = Date.now() + REFUSED;
  });
}

// A page that nobody sees holds no stream: a browser has six connections to a server, for all its tabs.
function turn() {
  if (document.hidden || !going()) return shut();
  if (!stream && Date.now() >= again) listen();
  if (Date.now() - looked >= (stream?.readyState === EventSource.OPEN ? SELDOM : OFTEN)) look();
}

if (going()) {
  setInterval(turn, TURN);
  document.addEventListener("visibilitychange", turn);
  turn();
}
