"""The colour tokens: WCAG 2.2 AA contrast in both themes, and every token that a style sheet names exists."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

CSS = settings.BASE_DIR / "static" / "css"
TEXT, GRAPHIC = 4.5, 3.0  # WCAG 2.2, success criteria 1.4.3 and 1.4.11

PAIRS = [
    *[("text", ground, TEXT) for ground in ("bg", "surface", "raised")],
    *[("muted", ground, TEXT) for ground in ("bg", "surface", "raised")],
    *[("muted", f"alarm-{level}-soft", TEXT) for level in ("high", "medium", "low")],
    *[("accent", ground, TEXT) for ground in ("bg", "surface", "accent-soft")],
    ("accent-ink", "accent", TEXT),
    *[(f"alarm-{level}", "surface", TEXT) for level in ("high", "medium", "low")],
    *[(f"alarm-{level}", f"alarm-{level}-soft", TEXT) for level in ("high", "medium", "low")],
    *[(f"alarm-{level}-ink", f"alarm-{level}-fill", TEXT) for level in ("high", "medium", "low")],
    *[("simulated", ground, TEXT) for ground in ("surface", "simulated-soft")],
    *[("edge", ground, GRAPHIC) for ground in ("bg", "surface")],
    *[("trace", ground, GRAPHIC) for ground in ("surface", "band")],
]


def tokens() -> dict[str, tuple[str, str]]:
    """Return token -> (light, dark) as #rrggbb."""
    root = (CSS / "tokens.css").read_text().split(":root {", 1)[1]
    found = {name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", root)}
    return found | {name: (both, both) for name, both in re.findall(r"--([\w-]+): (#\w{6});", root)}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definitions)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast_meets_wcag_aa(front: str, ground: str, least: float, theme: str) -> None:
    column = ["light", "dark"].index(theme)
    bright, dim = sorted((luminance(tokens()[name][column]) for name in (front, ground)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least


def test_every_token_that_a_style_sheet_or_script_names_exists() -> None:
    defined = set(re.findall(r"(--[\w-]+)\s*:", (CSS / "tokens.css").read_text()))
    for path in CSS.glob("*.css"):
        text = path.read_text()
        own = set(re.findall(r"(--[\w-]+)\s*:", text))
        assert set(re.findall(r"var\((--[\w-]+)", text)) <= defined | own, path.name
    for path in (settings.BASE_DIR / "static" / "js").glob("*.js"):
        named = set(re.findall(r'colour\("(--[\w-]+)"\)', path.read_text()))
        assert named <= defined, path.name
