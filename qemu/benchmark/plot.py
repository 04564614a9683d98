# SPDX-License-Identifier: GPL-2.0
"""Draws bars and lines as SVG, without any library."""
import math
from xml.sax.saxutils import escape

COLOURS = ("#b0662a", "#1f6fb2", "#3c8d40", "#8a4fa3", "#777777")
FONT = 'font-family="sans-serif" font-size="12"'


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {FONT} {more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#dddddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def step_of(most):
    """Returns a round distance between the lines of a scale that ends at `most`."""
    rough = 10 ** math.floor(math.log10(max(most, 1)))
    return next(rough * part for part in (0.2, 0.5, 1, 2) if most / (rough * part) <= 8)


class Plot:
    """What all plots share: a name, a title, a legend, a file."""

    def __init__(self, name, title, subjects):
        self.name, self.title, self.subjects = name, title, subjects

    def legend(self, x, y):
        """Returns a coloured box and a name for each subject."""
        made = []
        for number, subject in enumerate(self.subjects):
            made.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[number]}"/>' + text(x + 18, y, subject))
            x += 40 + 7 * len(subject)
        return made

    def write(self, path):
        """Writes the drawing."""
        width, height, shapes = self.draw()
        path.parent.mkdir(parents=True, exist_ok=True)
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
                f'<rect width="{width}" height="{height}" fill="white"/>')
        path.write_text("\n".join([head, text(10, 20, self.title, more='font-weight="bold"'), *shapes, "</svg>"]) + "\n")


class Bars(Plot):
    """Groups of horizontal bars: (label, one value for each subject)."""

    def __init__(self, name, title, subjects, groups):
        super().__init__(name, title, subjects)
        self.groups = groups

    def draw(self):
        """Returns width, height and shapes."""
        left, wide, thick = 230, 480, 11
        high = thick * len(self.subjects) + 8
        most = max([value for _, values in self.groups for value in values], default=1)
        shapes, y = self.legend(left, 40), 56
        for label, values in self.groups:
            shapes.append(text(left - 8, y + high / 2, label, "end"))
            for number, value in enumerate(values):
                length = max(wide * value / most, 0)
                top = y + number * thick
                shapes.append(f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{thick - 1}" fill="{COLOURS[number]}"/>')
                shapes.append(text(left + length + 5, top + 9, f"{value:,.0f}", more='font-size="10"'))
            y += high
        return left + wide + 70, y + 10, shapes


class Lines(Plot):
    """Lines over a logarithmic axis: for each subject a list of (x, y)."""

    def __init__(self, name, title, subjects, series, label):
        super().__init__(name, title, subjects)
        self.series, self.label = series, label

    def draw(self):
        """Returns width, height and shapes."""
        left, top, wide, high = 70, 60, 560, 260
        xs = sorted({x for points in self.series for x, _ in points})
        most = max([y for points in self.series for _, y in points], default=1) * 1.05
        last = math.log10(max(xs[-1], 10))

        def place(x, y):
            return left + wide * math.log10(max(x, 1)) / last, top + high - high * y / most

        shapes, step, value = self.legend(left, 42), step_of(most), 0
        while value <= most:
            x, y = place(1, value)
            shapes += [line(x, y, left + wide, y), text(x - 6, y + 4, f"{value:,.0f}", "end")]
            value += step
        for x in (10 ** power for power in range(math.floor(last + 0.01) + 1)):
            shapes += [line(*place(x, 0), place(x, 0)[0], top), text(place(x, 0)[0], top + high + 18, f"{x:,}", "middle")]
        shapes.append(text(left + wide / 2, top + high + 36, self.label, "middle"))
        for number, points in enumerate(self.series):
            places = [place(x, y) for x, y in points]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            shapes.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="2"/>')
            shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[number]}"/>' for x, y in places]
        return left + wide + 30, top + high + 50, shapes
