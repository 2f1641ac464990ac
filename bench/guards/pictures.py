"""Draws what `python -m bench.guards --save FILE` kept: `python -m bench.guards.pictures FILE FOLDER`.

Three pictures: how often good versions are rolled back, what a broken one costs, and how many requests a
worse one takes. They are for docs/why/evidence.md.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bench.guards import fixed, numbers, saved, whole, worlds
from bench.guards.targets import Found

# Okabe and Ito (2008): people with any colour vision tell them apart.
COLOURS = ("#8a8f98", "#0072b2", "#d55e00", "#e69f00", "#cc79a7")
MARKS = ("o", "o", "s", "D", "^")
METHODS = dict(zip(fixed.METHODS, zip(COLOURS, MARKS, strict=True), strict=True))
CONTROLLERS = dict(
    zip(
        (whole.SEGUE, whole.ARGO, whole.FLAGGER, whole.KAYENTA),
        (COLOURS[1], COLOURS[4], "#009e73", COLOURS[2]),
        strict=True,
    )
)


def main() -> None:
    """Write the three."""
    ask = argparse.ArgumentParser(prog="python -m bench.guards.pictures", description=__doc__)
    ask.add_argument("file", type=Path)
    ask.add_argument("folder", type=Path)
    asked = ask.parse_args()
    found = saved.read(asked.file)
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    mpl.rcParams.update({"svg.hashsalt": "segue", "axes.axisbelow": True})
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("rolled-back", rolled_back), ("cost", cost), ("until-caught", until_caught)):
        figure = draw(found)
        figure.savefig(asked.folder / f"guards-{name}.png", dpi=140, metadata={"Software": None})


def rolled_back(found: Found) -> Figure:
    """Good versions that were taken back within two hours, with 95 % intervals."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    names = [case.name for case in worlds.EQUAL]
    methods = [method for method in fixed.METHODS if method != fixed.LIMITS]
    for nth, method in enumerate(methods):
        colour, mark = METHODS[method]
        for row, case in enumerate(names):
            at = found["equal", case][method].at
            share, low, high = numbers.share(int(np.isfinite(at).sum()), len(at))
            place = row + 0.18 * (nth - (len(methods) - 1) / 2)
            axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=1.4)
            axes.plot(
                100 * share, place, mark, color=colour, markersize=4, label=method if row == 0 else None
            )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 0.5, 1, 2, 5, 10, 20, 50, 100], ["0", "0.5", "1", "2", "5", "10", "20", "50", "100"])
    axes.axvline(1.0, color="#1c2024", linewidth=0.8, linestyle=":")
    axes.set_xlabel("good versions rolled back within 2 h, % (line: 95 % interval; dotted: the promise)")
    axes.grid(axis="x", color="#e3e6ea")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def cost(found: Found) -> Figure:
    """Failed requests until a version with 5 % errors is taken back, by traffic."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    rates = (10, 100, 1000)
    for nth, (controller, colour) in enumerate(CONTROLLERS.items()):
        failed = [
            float(np.median(found["whole", f"5 % errors, {rate}/s"][controller].failed)) for rate in rates
        ]
        places = np.arange(len(rates)) + 0.2 * (nth - 1.5)
        bars = axes.bar(places, failed, 0.19, color=colour, label=controller)
        axes.bar_label(bars, [f"{value:,.0f}" for value in failed], padding=2, fontsize=8)
    axes.set_yscale("log")
    axes.set_ylim(1, 20_000)
    axes.set_xticks(range(len(rates)), [f"{rate:,} requests/s" for rate in rates])
    axes.set_ylabel("failed requests, median")
    axes.grid(axis="y", color="#e3e6ea")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def until_caught(found: Found) -> Figure:
    """The share of worse versions that were taken back, by the candidate's requests."""
    cases = (
        "errors 0.1 -> 0.2 %, 100/s",
        "errors 0.1 -> 5 %, 100/s",
        "latency +10 %, one kind of requests, 100/s",
        "p99 doubled, one kind of requests, 100/s",
    )
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    for axes, case in zip(figure.subplots(2, 2).flat, cases, strict=True):
        for method, (colour, _) in METHODS.items():
            got = found["worse", case][method]
            requests = np.sort(got.requests[np.isfinite(got.at)])
            shares = 100 * np.arange(1, len(requests) + 1) / len(got.at)
            axes.step(requests, shares, where="post", color=colour, label=method)
        axes.set_xscale("log")
        axes.set_xlim(50, 100_000)
        axes.set_ylim(0, 102)
        axes.set_title(case, fontsize=9, loc="left")
        axes.set_xlabel("the candidate's requests")
        axes.set_ylabel("caught, %")
        axes.grid(color="#e3e6ea")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    main()
