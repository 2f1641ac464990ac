"""A report as one HTML file: the sentence, the pictures, what each guard says. It loads nothing else.

It has no script, so it may be sent by mail and opened anywhere; colours follow the reader's system. No
number is computed here.
"""

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from service.reporting import words
from service.showing import drawing
from service.showing.panel import Panel

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 16px 48px}
h1{font-size:1.5rem;line-height:1.25;margin:0}
h2{font-size:1.1rem;margin:36px 0 8px}
h3{font-size:1rem;margin:0 0 2px}
.sub{color:var(--muted);margin:4px 0 0;overflow-wrap:anywhere}
.says{font-size:1.12rem;margin:18px 0;padding:12px 16px;border-left:4px solid var(--tone)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));
gap:12px;margin:0 0 28px;padding:0}
.tiles div{border:1px solid var(--grid);border-radius:8px;padding:10px 14px}
.tiles dt{color:var(--muted);font-size:.85rem}
.tiles dd{margin:0;font-size:1.35rem;font-weight:650}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:28px 32px}
figure{margin:0}
figure svg{display:block;width:100%;height:auto}
figure svg text{font-family:inherit!important}
figcaption{color:var(--muted);font-size:.9rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;min-width:620px;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:8px 12px 8px 0;border-top:1px solid var(--grid)}
th{font-weight:600}
.verdict{font-weight:650;white-space:nowrap}
.harm{color:var(--harm)}.suspect{color:var(--hold)}.cleared{color:var(--third)}.undecided{color:var(--muted)}
footer{color:var(--muted);font-size:.85rem;margin-top:36px}
@media print{body{background:#fff}figure{break-inside:avoid}}
"""
_TONES = {"promoted": "third", "already there": "third", "rolled back": "harm", "failed": "harm"}


def of(title: str, report: Mapping[str, Any], panels: Sequence[Panel]) -> str:
    """The page of a release's report."""
    release = report["release"]
    tone = _TONES.get(release["phase"], "hold" if release["final"] else "stable")
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(release["began"]))
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="sub">{escape(release["target"])}, {escape(release["cause"])}. Began {began}.</p>',
        f'<p class="says" style="--tone:var(--{tone})">{escape(report["sentence"])}</p>',
        _tiles(report),
        pictures(panels),
        _guards(report["guards"]),
        _reading(report) if panels else "",
        _gaps(report),
    ]
    return document(title, "\n".join(parts))


def document(title: str, body: str) -> str:
    """A whole HTML document around a body."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{drawing.palette()}{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n<footer>Made by Segue from the release's recorded evidence. "
        "This file loads nothing from anywhere.</footer>\n</main>\n</body>\n</html>\n"
    )


def pictures(panels: Sequence[Panel]) -> str:
    """All panels beside or below each other, as wide as the reader's screen allows."""
    if not panels:
        return "<p>There is no picture: nothing was counted yet, or it is no longer kept.</p>"
    return f'<div class="pictures">\n{"".join(_figure(n, p) for n, p in enumerate(panels, 1))}</div>'


def _figure(number: int, panel: Panel) -> str:
    drawn = drawing.inline(panel, f"p{number}")
    end = drawn.index(">") + 1
    titled = f'{drawn[:end]}<title id="p{number}-title">{escape(panel.says)}</title>{drawn[end:]}'
    return (
        f"<figure><h3>{escape(panel.title)}</h3>{titled}<figcaption>{escape(panel.says)}</figcaption>"
        "</figure>\n"
    )


def _tiles(report: Mapping[str, Any]) -> str:
    cost, points = report["cost"], report["budget"]["points"]
    lost, room = cost["points"][-1][1:] if cost["points"] else (0.0, 0.0)
    found = [
        ("most traffic it had", f"{report['release']['peak']:g} %"),
        ("requests it answered", words.many(cost["requests"])),
        ("of them failed", words.many(cost["failed"])),
        ("failures it caused", words.give_or_take(lost, room)),
    ]
    if points:
        highest = max(e for _, e in points)
        harm_at = words.times(report["budget"]["harm_at"])
        found.append(("highest evidence against it", f"{words.times(highest)} of {harm_at}"))
        found.append(("watched for", words.span(report["ended"] - report["began"])))
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in found)
    return f'<dl class="tiles">{tiles}</dl>'


def _guards(guards: Sequence[Mapping[str, Any]]) -> str:
    if not guards:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(one["guard"])}</th>'
        f'<td class="verdict {one["verdict"]}">{one["verdict"]}</td>'
        f"<td>{escape(one['rule'])}</td><td>{escape(_numbers(one['numbers']))}</td></tr>"
        for one in guards
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("guard", "verdict", "rule", "numbers"))
    return (
        '<h2>What each guard said last</h2><div class="scroll"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _numbers(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:,.4g}" for name, value in numbers.items())


def _reading(report: Mapping[str, Any]) -> str:
    """How to read the first picture, for whoever has never seen one."""
    share = words.share(report["budget"]["false_rollbacks"])
    harm_at = words.times(report["budget"]["harm_at"])
    return (
        "<h2>How to read the evidence</h2><p>A guard bets against the new version with every request that"
        " fails. While the new version is no worse than the one before, the bets win nothing in the long run"
        " and the line stays low. If it is worse, the line climbs: at 10 the failures seen are ten times more"
        f" likely than chance allows. At {harm_at} the release is taken back. A version that is <em>not</em>"
        f" worse gets there in at most {share} of all releases, however often one looks.</p>"
        "<p>A shaded band is what a share may really be, given what was counted so far: it holds the truth"
        " in 19 of 20 releases, at every moment at once. Bands that do not overlap: two different"
        " versions.</p>"
    )


def _gaps(report: Mapping[str, Any]) -> str:
    if not report["gaps"]:
        return ""
    rows = "".join(
        f"<li>{words.span(gap['from'] - report['began'])} in, for {gap['intervals']}"
        f" interval{'s' if gap['intervals'] > 1 else ''}: {escape(gap['reason'])}</li>"
        for gap in report["gaps"][:20]
    )
    more = len(report["gaps"]) - 20
    rest = f"<li>and {more} more times</li>" if more > 0 else ""
    return f"<h2>When nothing was counted</h2><ul>{rows}{rest}</ul>"
