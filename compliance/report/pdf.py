"""The report as pages: one of summary with small charts, then the details. Real text, one column, readable aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import reportlab
from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

INK, MUTED, LINE, ACCENT, BAD = (HexColor(code) for code in ("#14181d", "#56606c", "#dde2e8", "#0b7a75", "#7d5700"))
WIDE = A4[0] - 40 * mm
MARGIN = 20 * mm - 6  # a frame pads its content by six points


def as_pdf(report: Mapping[str, Any], digest: str) -> bytes:
    """Return the report as a PDF. The same report gives the same bytes."""
    _fonts()
    out = BytesIO()
    title = f"Compliance of {report['ward']['name']}, {report['month']}"
    document = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=18 * mm, bottomMargin=20 * mm,
        title=title, author=report["log"]["origin"], subject="Rules over the transparency log", lang="en", invariant=1,
    )  # fmt: skip
    story = [*_summary(report, title), *_how_to_check(report, digest), PageBreak(), *_details(report)]
    document.build(story, onFirstPage=_footer(digest), onLaterPages=_footer(digest))
    return out.getvalue()


@cache
def _fonts() -> None:
    """Embed the fonts that ReportLab carries: a PDF that relies on a reader's own fonts may lose its letters."""
    folder = Path(reportlab.__file__).parent / "fonts"
    pdfmetrics.registerFont(TTFont("Text", str(folder / "Vera.ttf")))
    pdfmetrics.registerFont(TTFont("Bold", str(folder / "VeraBd.ttf")))


def _style(size: float = 9, *, bold: bool = False, colour: Color = INK, above: float = 0) -> ParagraphStyle:
    return ParagraphStyle(
        f"{size}{bold}{colour}{above}", fontName="Bold" if bold else "Text", fontSize=size, leading=size * 1.45,
        textColor=colour, spaceBefore=above, splitLongWords=1,
    )  # fmt: skip


def _text(words: object, **style: Any) -> Paragraph:
    return Paragraph(escape(str(words)), _style(**style))


def _summary(report: Mapping[str, Any], title: str) -> list[Any]:
    totals = report["totals"]
    so_far = "" if report["complete"] else " The month is not over: these are the numbers so far."
    figures = [
        ("records judged", "judged"),
        ("violations", "violations"),
        ("still open", "open"),
        ("settled", "settled"),
    ]
    cells = [[_text(f"{totals[key]:,}", size=20, bold=True) for _, key in figures]]
    cells.append([_text(label, colour=MUTED) for label, _ in figures])
    return [
        _text(title, size=17, bold=True),
        _text(f"Every record of the ward was read by {len(report['rules'])} rules.{so_far}", colour=MUTED, above=2),
        Spacer(0, 5 * mm),
        Table(cells, colWidths=[WIDE / 4] * 4, hAlign="LEFT", style=TableStyle([("LEFTPADDING", (0, 0), (-1, -1), 0)])),
        _text("Share of judged records that met each rule", size=11, bold=True, above=10),
        Spacer(0, 2 * mm),
        _rates(report["rules"]),
        _text("Violations by day", size=11, bold=True, above=10),
        Spacer(0, 2 * mm),
        _days(report["by_day"]),
    ]


def _rates(rules: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw one bar per rule, with its number in words beside it."""
    row, left, right = 20.0, 235.0, 95.0
    drawing = Drawing(WIDE, row * len(rules))
    span = WIDE - left - right
    for place, rule in enumerate(rules):
        y = row * (len(rules) - place - 1) + 6
        drawing.add(String(0, y, _short(rule["title"], 44), fontName="Text", fontSize=8.5, fillColor=INK))
        drawing.add(Rect(left, y - 1, span, 9, fillColor=LINE, strokeColor=None))
        share = rule["share_met"]
        words = "nothing to judge"
        if share is not None:
            if share:  # ReportLab draws a line for a bar of no width
                drawing.add(Rect(left, y - 1, span * share, 9, fillColor=ACCENT, strokeColor=None))
            words = f"{_percent(share)} of {rule['judged']:,}"
        drawing.add(String(left + span + 6, y, words, fontName="Text", fontSize=8.5, fillColor=INK))
    return drawing


def _percent(share: float) -> str:
    """Return a share in words; only all is a hundred per cent."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def _days(by_day: Sequence[int]) -> Drawing:
    height, top = 62.0, max([*by_day, 1])
    step = WIDE / len(by_day)
    drawing = Drawing(WIDE, height + 14)
    drawing.add(Line(0, 12, WIDE, 12, strokeColor=LINE, strokeWidth=0.8))
    for day, count in enumerate(by_day):
        if count:
            tall = (height - 12) * count / top
            drawing.add(Rect(day * step + 2, 12, step - 4, tall, fillColor=BAD, strokeColor=None))
            words = String(day * step + step / 2, 14 + tall, str(count), fontName="Text", fontSize=7, fillColor=INK)
            words.textAnchor = "middle"
            drawing.add(words)
        if day % 5 == 0 or day == len(by_day) - 1:
            label = String(day * step + step / 2, 2, str(day + 1), fontName="Text", fontSize=7, fillColor=MUTED)
            label.textAnchor = "middle"
            drawing.add(label)
    return drawing


def _how_to_check(report: Mapping[str, Any], digest: str) -> list[Any]:
    log = report["log"]
    return [
        _text("How to check this", size=11, bold=True, above=10),
        _text(
            "These pages are made from a signed JSON document of the same month. It holds a proof for each record "
            "named here. Check both with the keys of the log and of its witnesses, on any computer:"
        ),
        _text("python -m compliance.verify report.json --keys keys.txt --pdf report.pdf", bold=True, above=3),
        _text(f"SHA-256 of the document: {digest}", above=3),
        _text(f"Log {log['origin']}, {log['size']:,} records, root {log['root']}", above=3),
        _text(f"Made {report['made_at']}. Patients appear under random identifiers; no names are in it.", above=3),
    ]


def _details(report: Mapping[str, Any]) -> list[Any]:
    head = [_text(word, bold=True) for word in ("Rule", "Judged", "Found", "Open")]
    rows = [
        [_text(f"{rule['plain']} ({rule['id']}, version {rule['version']})"), *(
            _text(f"{rule[key]:,}") for key in ("judged", "violations", "open")
        )]
        for rule in report["rules"]
    ]  # fmt: skip
    widths = [WIDE - 54 * mm, 18 * mm, 18 * mm, 18 * mm]
    story: list[Any] = [
        _text("The rules", size=13, bold=True, above=18),
        Spacer(0, 2 * mm),
        Table([head, *rows], colWidths=widths, repeatRows=1, hAlign="LEFT", style=_ruled()),
        _text("Violations", size=13, bold=True, above=14),
    ]
    if not report["violations"]:
        story.append(_text("None in this month.", above=3))
    for violation in report["violations"]:
        who = f", patient {violation['patient']}" if violation["patient"] else ""
        leaves = ", ".join(map(str, violation["leaves"]))
        story.append(_text(violation["sentence"], bold=True, above=7))
        story.append(_text(f"{violation['at']}, rule {violation['rule']} version {violation['version']}{who}"))
        story.append(_text(f"Proved by the records at leaves {leaves}", colour=MUTED))
        reason = f": {violation['reason']}" if violation["reason"] else ""
        story.append(_text(f"{violation['state'].capitalize()}{reason}"))
    return story


def _ruled() -> TableStyle:
    return TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.6, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
        ]
    )


def _footer(digest: str) -> Any:
    def draw(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont("Text", 7)
        canvas.setFillColor(MUTED)
        canvas.drawString(20 * mm, 11 * mm, f"SHA-256 {digest}")
        canvas.drawRightString(A4[0] - 20 * mm, 11 * mm, f"Page {document.page}")
        canvas.restoreState()

    return draw
