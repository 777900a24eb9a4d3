# SPDX-License-Identifier: Apache-2.0
"""A picture of a terminal: the screens of `tmux capture-pane -e` as one SVG."""

import re
from xml.sax.saxutils import escape

CELL_WIDTH, LINE_HEIGHT, FONT_SIZE, MARGIN = 8.4, 19, 14, 16
BACKGROUND, FOREGROUND, RULE = "#161b22", "#d0d7de", "#30363d"
COLORS = {30: "#6e7681", 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff",
          36: "#76e3ea", 37: "#f0f6fc"}
STYLE = re.compile(r"\x1b\[([\d;]*)m")


def svg(screens, columns):
    """One below the other, each at the lines it has."""
    parts, top = [], MARGIN
    for number, screen in enumerate(screens):
        if number > 0:
            middle = top + LINE_HEIGHT * 0.5
            parts.append(f'<path d="M0 {middle:.0f}H{_width(columns)}" stroke="{RULE}"/>')
            top += LINE_HEIGHT
        for line in screen.rstrip("\n").split("\n"):
            top += LINE_HEIGHT
            parts += _line(line, top - 5)
    height = top + MARGIN
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_width(columns)}" height="{height:.0f}" '
            f'viewBox="0 0 {_width(columns)} {height:.0f}" font-family="ui-monospace, SFMono-Regular, Menlo, '
            f'DejaVu Sans Mono, monospace" font-size="{FONT_SIZE}" fill="{FOREGROUND}" xml:space="preserve">\n'
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>\n' + "\n".join(parts) + "\n</svg>\n")


def _width(columns):
    return round(columns * CELL_WIDTH + 2 * MARGIN)


def _line(line, baseline):
    """One <text> for each stretch of a style, as wide as its cells whatever the font."""
    parts, column, style = [], 0, {}
    for index, piece in enumerate(STYLE.split(line)):
        if index % 2:
            style = _after(style, piece)
            continue
        for blanks, text in re.findall(r"( *)((?:\S| (?! ))+|$)", piece):
            column += len(blanks)
            word = text.rstrip(" ")
            if word:
                parts.append(
                    f'<text x="{MARGIN + column * CELL_WIDTH:.1f}" y="{baseline:.0f}" '
                    f'textLength="{len(word) * CELL_WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
                    + "".join(f' {key}="{value}"' for key, value in style.items()) + f">{escape(word)}</text>")
            column += len(text)
    return parts


def _after(style, codes):
    style = dict(style)
    for code in (int(code or 0) for code in codes.split(";")):
        if code == 0:
            style = {}
        elif code == 1:
            style["font-weight"] = "bold"
        elif code == 2:
            style["opacity"] = "0.4"
        elif code == 22:
            style.pop("font-weight", None)
            style.pop("opacity", None)
        elif code == 39:
            style.pop("fill", None)
        elif code in COLORS or code - 60 in COLORS:
            style["fill"] = COLORS[code if code in COLORS else code - 60]
    return style
