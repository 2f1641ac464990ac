"""Draws panels with matplotlib: its one home, loaded by nothing but what draws.

The house style: few lines, direct words, the colours of Okabe and Ito, which people with any colour
vision tell apart. An SVG for a page takes its colours from the page (light and dark) and its text stays
text; an SVG or PNG for itself is light. The same panels give the same bytes.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from service.showing.panel import Axis, Level, Line, Panel, Tone

# Okabe and Ito (2008), "Color Universal Design"; the bounds are darkened to be read as text.
LIGHT = {
    Tone.CANDIDATE: "#d55e00",
    Tone.STABLE: "#0072b2",
    Tone.ALL: "#1c2024",
    Tone.THIRD: "#009e73",
    Tone.FOURTH: "#cc79a7",
    Tone.FIFTH: "#56b4e9",
    Tone.HARM: "#b3261e",
    Tone.HOLD: "#8a6100",
    Tone.MUTED: "#6b7280",
}
DARK = {
    Tone.CANDIDATE: "#ffa657",
    Tone.STABLE: "#4593d4",
    Tone.ALL: "#e6e8eb",
    Tone.THIRD: "#3ec79c",
    Tone.FOURTH: "#e3a2c6",
    Tone.FIFTH: "#8fd0f5",
    Tone.HARM: "#ff8a80",
    Tone.HOLD: "#e3b341",
    Tone.MUTED: "#9aa3ad",
}
INK = {"ink": ("#1c2024", "#e6e8eb"), "grid": ("#e3e6ea", "#30363d"), "paper": ("#ffffff", "#161b22")}
_INK, _GRID, _PAPER = (light for light, _ in INK.values())
# In an SVG for a page these stand for the page's own colours. Nothing else is drawn in them.
_PAGE = {LIGHT[tone]: f"var(--{tone.value})" for tone in Tone} | {
    _GRID: "var(--grid)",
    _PAPER: "var(--paper)",
}
_PAGE[_INK] = "var(--ink)"
SIZE = (4.5, 3.2)  # inches of one panel: 432 x 307 on a page, and still read on a phone
DPI = 160
_STYLE: Any = {  # its keys are typed one by one there
    "font.family": "sans-serif",
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "segue",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "text.color": _INK,
    "figure.facecolor": _PAPER,
    "axes.facecolor": "none",
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(_STYLE):
        yield


def palette() -> str:
    """The colours of pages as CSS: those of light, and of dark where the reader's system is dark."""
    light = {tone.value: LIGHT[tone] for tone in Tone} | {name: pair[0] for name, pair in INK.items()}
    dark = {tone.value: DARK[tone] for tone in Tone} | {name: pair[1] for name, pair in INK.items()}

    def block(colours: dict[str, str]) -> str:
        return ":root{" + ";".join(f"--{name}:{value}" for name, value in colours.items()) + "}"

    return f"{block(light)}@media(prefers-color-scheme:dark){{{block(dark)}}}"


def inline(panel: Panel, name: str) -> str:
    """One panel as an `<svg>` for a page that has `palette`; `name` keeps its ids apart from others'."""
    with _style():
        figure = Figure(figsize=SIZE, layout="constrained")
        _draw(figure.add_subplot(), panel, titled=False)
        text = _svg(figure, transparent=True)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id=")', rf"\g<1>{name}-", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: _PAGE.get(found[0], found[0]), text)
    head = re.sub(r' (width|height)="[^"]*"', "", text[: text.index(">")])
    return f'{head} role="img" aria-labelledby="{name}-title">{text[text.index(">") + 1 :]}'


def svg(title: str, sentence: str, panels: Sequence[Panel]) -> bytes:
    """All panels as one SVG file, light."""
    with _style():
        text = _svg(_page(title, sentence, panels), transparent=False)
    return text.encode()


def png(title: str, sentence: str, panels: Sequence[Panel]) -> bytes:
    """All panels as one PNG file, light."""
    with _style():
        figure, out = _page(title, sentence, panels), io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def _svg(figure: Figure, *, transparent: bool) -> str:
    out = io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(out, format="svg", transparent=transparent, metadata={"Date": None, "Creator": None})
    return out.getvalue().decode()


def _page(title: str, sentence: str, panels: Sequence[Panel]) -> Figure:
    """Two panels beside each other, and the words above."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    width, height = SIZE[0] * columns, SIZE[1] * 1.08 * rows + 0.95
    room = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 1 - 0.95 / height), hspace=0.06, wspace=0.05)
    figure = Figure(figsize=(width, height), layout=room)
    figure.text(0.02, 1 - 0.32 / height, title, fontsize=14, fontweight="bold", va="center")
    figure.text(0.02, 1 - 0.5 / height, _wrapped(sentence, int(width * 14)), fontsize=9, va="top")
    for index, panel in enumerate(panels):
        _draw(figure.add_subplot(rows, columns, index + 1), panel, titled=True)
    return figure


def _wrapped(text: str, width: int) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join([*lines, line][:2])


def _draw(axes: Axes, panel: Panel, *, titled: bool) -> None:
    if titled:
        axes.set_title(panel.title, pad=20)
    for begin, end in panel.spans:
        axes.axvspan(begin, end, color=LIGHT[Tone.MUTED], alpha=0.15, linewidth=0)
    for band in panel.bands:
        x, low, high = zip(*band.points, strict=True)
        axes.fill_between(x, low, high, color=LIGHT[band.tone], alpha=0.18, linewidth=0)
    for line in panel.lines:
        _line(axes, line)
    _axis(axes, panel.x, "x")
    _axis(axes, panel.y, "y")
    axes.grid(visible=False, axis="x")
    for level in panel.levels:
        _level(axes, level)
    for moment in panel.moments:
        axes.axvline(moment.x, color=LIGHT[moment.tone], linewidth=1.1, linestyle=(0, (2, 2)))
        _beside(axes, moment.words, moment.x, moment.tone)
    _legend(axes, panel)


def _line(axes: Axes, line: Line) -> None:
    x, y = zip(*line.points, strict=True) if line.points else ((), ())
    style = "steps-post" if line.stepped else "default"
    axes.plot(
        x,
        y,
        color=LIGHT[line.tone],
        linewidth=1.2 if line.thin else 2.2,
        drawstyle=style,
        label=line.words or "_",
    )
    if line.filled:
        step: Literal["post"] | None = "post" if line.stepped else None
        axes.fill_between(x, y, 0, step=step, color=LIGHT[line.tone], alpha=0.15, linewidth=0)


def _axis(axes: Axes, axis: Axis, which: Literal["x", "y"]) -> None:
    side = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        axes.set_xlabel(axis.words)
        axes.set_xscale("log" if axis.log else "linear")
        axes.set_xlim(axis.low, axis.high)
    else:
        # Above the axis and lying: a word that stands on its side is read last.
        axes.text(0, 1.02, axis.words, transform=axes.transAxes, ha="left", va="bottom", fontsize=8.5)
        axes.set_yscale("log" if axis.log else "linear")
        axes.set_ylim(axis.low, axis.high)
    if axis.ticks is not None:
        named = dict(axis.ticks)
        side.set_major_locator(FixedLocator(list(named)))
        side.set_major_formatter(FuncFormatter(lambda value, _: _nearest(named, value)))
        side.set_minor_locator(NullLocator())
    elif not axis.log:
        side.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
        if axis.percent:
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.3g} %"))
        else:
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.tick_params(axis=which, length=0 if which == "y" else 3)


def _nearest(named: dict[float, str], value: float) -> str:
    return named[min(named, key=lambda known: abs(known - value))]


def _level(axes: Axes, level: Level) -> None:
    colour = LIGHT[level.tone]
    axes.axhline(level.y, color=colour, linewidth=1.4, linestyle=(0, (5, 2)))
    if level.beyond:
        axes.axhspan(level.y, axes.get_ylim()[1], color=colour, alpha=0.10, linewidth=0)
    left = axes.get_xlim()[0]
    axes.annotate(
        level.words,
        (left, level.y),
        (4, 3),
        textcoords="offset points",
        color=colour,
        fontsize=8.5,
        fontweight="bold",
    )


def _beside(axes: Axes, words: str, x: float, tone: Tone) -> None:
    """Words at a moment: on the side where there is room."""
    low, high = axes.get_xlim()
    right = (x - low) > 0.5 * (high - low)
    axes.annotate(
        words,
        (x, 0.97),
        (-4 if right else 4, 0),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        color=LIGHT[tone],
        fontsize=8.5,
    )


def _legend(axes: Axes, panel: Panel) -> None:
    """Named lines below the axis, each in its own colour; one line that the title names needs none."""
    named = [line for line in panel.lines if line.words]
    if len(named) < 2:
        return
    legend = axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        ncols=2,
        fontsize=8.5,
        handlelength=1.4,
        columnspacing=1.4,
    )
    legend.set_in_layout(True)
