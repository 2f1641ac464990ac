// Draws each picture from the numbers that it brings, by uPlot: with a line below the pointer and what it reads there,
// and a part of the time drawn larger by dragging. The table beside a picture says the same without a script.
const HEIGHT = 230, FONT = 12;
const drawn = new Map(); // figure: its picture, and the numbers that are drawn

const colour = (figure, tone) => getComputedStyle(figure).getPropertyValue(`--${tone}`).trim();
const pale = (figure, tone, percent) => `color-mix(in srgb, ${colour(figure, tone)} ${percent}%, transparent)`;
const short = (value, digits) => Number(value.toPrecision(digits)).toLocaleString("en");

function said(axis, value) {
  if (axis.percent) return `${short(100 * value, 3)} %`;
  if (axis.seconds) return value < 1 ? `${short(1000 * value, 3)} ms` : `${short(value, 3)} s`;
  return short(value, 4);
}

const table = (numbers) => uPlot.join([...numbers.lines, ...numbers.bands].map((one) => one.points));

// --- what it is made of ------------------------------------------------------------------------

function scale(state, name) {
  const ends = () => state.numbers[name];
  const range = (chart, low, high) =>
    name === "x" && state.part ? [low, high] : [ends().low, ends().high];
  return { time: false, distr: ends().log ? 3 : 1, range };
}

function axis(state, name) {
  const { figure, numbers } = state, of = numbers[name], texts = new Map(of.ticks ?? []);
  const found = {
    stroke: () => colour(figure, "muted"), font: `${FONT}px system-ui, sans-serif`, ticks: { show: false },
    grid: { show: name === "y", stroke: () => colour(figure, "grid"), width: 1 },
    values: (_, at) => at.map((value) => texts.get(value) ?? (of.ticks ? "" : said(of, value))),
    filter: (_, at) => at, size: name === "x" ? 30 : (_, words) => 16 + 6.6 * longest(words),
  };
  const inside = (_, __, low, high) => [...texts.keys()].filter((value) => value >= low && value <= high);
  return of.ticks ? { ...found, splits: inside } : found;
}

const longest = (words) => Math.max(3, ...(words ?? []).map((one) => one.length));

function line(state, one) {
  const { figure } = state, { paths } = uPlot;
  return {
    label: one.words, stroke: () => colour(figure, one.tone), width: one.thin ? 1.1 : 1.8, spanGaps: true,
    points: { show: one.points[0].length < 2 }, paths: one.stepped ? paths.stepped({ align: 1 }) : paths.linear(),
    fill: one.filled ? () => pale(figure, one.tone, 14) : undefined,
  };
}

function bands({ figure, numbers }) {
  const first = 1 + numbers.lines.length;
  return numbers.bands.map((one, n) => ({
    series: [first + 2 * n + 1, first + 2 * n], fill: () => pale(figure, one.tone, 18),
  }));
}

// --- what stands behind and in front of the lines ------------------------------------------------

function behind(chart, { figure, numbers }) {
  const { left, top, width, height } = chart.bbox, x = (value) => chart.valToPos(value, "x", true);
  fill(chart, numbers.spans.map(([from, to]) => [pale(figure, "muted", 14), x(from), top, x(to) - x(from), height]));
  const beyond = numbers.levels.filter((one) => one.beyond);
  fill(chart, beyond.map((one) =>
    [pale(figure, one.tone, 7), left, top, width, chart.valToPos(one.y, "y", true) - top]));
}

function fill(chart, boxes) {
  inside(chart, (pen) => {
    for (const [shade, ...box] of boxes) {
      pen.fillStyle = shade;
      pen.fillRect(...box);
    }
  });
}

function before(chart, { figure, numbers }) {
  const { left, top, width, height } = chart.bbox, ratio = uPlot.pxRatio;
  inside(chart, (pen) => {
    pen.lineWidth = 1.2 * ratio;
    pen.font = `${FONT * ratio}px system-ui, sans-serif`;
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    for (const one of [...numbers.levels, ...numbers.moments]) {
      const level = one.y !== undefined, at = chart.valToPos(level ? one.y : one.x, level ? "y" : "x", true);
      pen.strokeStyle = pen.fillStyle = colour(figure, one.tone);
      pen.setLineDash((level ? [5, 4] : [2, 3]).map((part) => part * ratio));
      pen.beginPath();
      pen.moveTo(level ? left : at, level ? at : top);
      pen.lineTo(level ? left + width : at, level ? at : top + height);
      pen.stroke();
      if (level) pen.fillText(one.words, left + 4 * ratio, at - 4 * ratio);
    }
  });
}

function inside(chart, draw) {
  const { left, top, width, height } = chart.bbox, pen = chart.ctx;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  draw(pen);
  pen.restore();
}

// --- what the pointer reads ----------------------------------------------------------------------

function read(chart, { numbers, reading }) {
  const at = chart.cursor.idx;
  if (at == null) {
    reading.data = "";
    return;
  }
  const values = numbers.lines.map((one, n) => [one.words, newest(chart.data[n + 1], at)]);
  const words = values.filter(([, value]) => value != null)
    .map(([name, value]) => (name ? `${name} ` : "") + said(numbers.y, value));
  reading.data = `${said(numbers.x, chart.data[0][at])}: ${words.join(", ")}`;
}

function newest(values, at) {
  while (at >= 0 && values[at] == null) at -= 1;
  return values[at];
}

// --- drawing -------------------------------------------------------------------------------------

function draw(figure) {
  const known = drawn.get(figure), text = figure.dataset.chart;
  if (known?.text === text) return;
  const numbers = JSON.parse(text), kind = JSON.stringify([numbers.lines.map((one) => one.words), numbers.bands.length]);
  if (known?.kind === kind) {
    Object.assign(known, { text, numbers });
    known.chart.setData(table(numbers), !known.part);
    if (known.part) known.chart.redraw();
    return;
  }
  if (known) forget(figure);
  begin({ figure, text, numbers, kind, part: false, reading: new Text() });
}

function begin(state) {
  const { figure, numbers, reading } = state, place = figure.querySelector(".plot");
  const edge = { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } };
  const options = {
    width: place.clientWidth, height: HEIGHT, legend: { show: false }, padding: [8, 22, 0, 0],
    cursor: { y: false, drag: { x: true, y: false, setScale: true }, points: { size: 6 } },
    scales: { x: scale(state, "x"), y: scale(state, "y") },
    axes: [axis(state, "x"), { ...axis(state, "y"), scale: "y" }],
    series: [{}, ...numbers.lines.map((one) => line(state, one)), ...numbers.bands.flatMap(() => [edge, edge])],
    bands: bands(state),
    hooks: {
      drawClear: [(chart) => behind(chart, state)],
      draw: [(chart) => before(chart, state)],
      setCursor: [(chart) => read(chart, state)],
      setSelect: [(chart) => { state.part = chart.select.width > 0; }],
    },
  };
  state.chart = new uPlot(options, table(numbers), place);
  state.chart.over.addEventListener("dblclick", () => { state.part = false; }, { capture: true });
  const words = Object.assign(document.createElement("p"), { className: "small reading" });
  words.append(reading);
  place.append(words);
  state.sized = new ResizeObserver(() => state.chart.setSize({ width: place.clientWidth, height: HEIGHT }));
  state.sized.observe(figure);
  drawn.set(figure, state);
}

function forget(figure) {
  const { chart, sized } = drawn.get(figure);
  sized.disconnect();
  chart.destroy();
  figure.querySelector(".reading")?.remove();
  drawn.delete(figure);
}

function look() {
  for (const figure of drawn.keys()) if (!figure.isConnected) forget(figure);
  for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure);
}

new MutationObserver(look).observe(document.body, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["data-chart"],
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { chart } of drawn.values()) chart.redraw(false);
});
look();
