#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws docs/schedulers/*.svg from what qemu/plots.py noted: shares of new connections over time."""
import json
import pathlib
import sys

import plot

DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "docs/schedulers"
# Connections that are counted together.
BIN = 30
NOBODY = "nobody"
# What a hashing scheduler looks at: place in a connection, and its name.
KEYS = {"sh": (0, "clients"), "mh": (0, "clients"), "dh": (2, "addresses"), "lblc": (2, "addresses"), "lblcr": (2, "addresses")}


class Areas(plot.Plot):
    """Shares stacked over one another: for each bin a list of one share for each subject."""

    def __init__(self, name, title, subjects, bins, marks, notes):
        super().__init__(name, title, subjects)
        self.bins, self.marks, self.notes = bins, marks, notes

    def draw(self):
        """Returns width, height and shapes."""
        left, top, wide, high = 60, 84, 640, 220
        step = wide / len(self.bins)
        shapes = self.legend(left, 44)
        for number, share in enumerate(self.bins):
            y = top + high
            for subject, part in enumerate(share):
                y -= high * part
                if part:
                    shapes.append(f'<rect x="{left + number * step:.1f}" y="{y:.1f}" width="{step:.1f}" height="{high * part:.1f}" '
                                  f'fill="{plot.COLOURS[subject]}" fill-opacity="0.8"/>')
        for percent in range(0, 101, 25):
            y = top + high * (1 - percent / 100)
            shapes += [plot.line(left, y, left + wide, y), plot.text(left - 6, y + 4, f"{percent} %", "end")]
        for number, words in self.marks:
            x = left + number * step / BIN
            shapes += [plot.line(x, top - 8, x, top + high, "#000000"), plot.text(x, top - 12, words, "middle")]
        for number in range(0, len(self.bins) + 1, 3):
            shapes.append(plot.text(left + number * step, top + high + 18, str(number * BIN), "middle"))
        for number, note in enumerate(self.notes):
            shapes.append(plot.text(left, top + high + 38 + 18 * number, note))
        return left + wide + 30, top + high + 28 + 18 * len(self.notes), shapes


def moved(results, scheduler):
    """Returns a sentence: how many of the clients or addresses of the others moved when one server left."""
    place, what = KEYS[scheduler]
    before, after = {}, {}
    for number, (connection, server) in enumerate(zip(results["connections"], results["chosen"][scheduler])):
        if number < results["leaves"]:
            before[connection[place]] = server
        elif number < results["returns"]:
            after.setdefault(connection[place], server)
    others = [key for key, server in before.items() if server not in (None, "D") and key in after]
    changed = sum(after[key] != before[key] for key in others)
    return f"Of {len(others)} {what} that A, B and C served before D left, {changed} changed to another server or to nobody."


def drawing(results, scheduler):
    """Returns the plot of one scheduler."""
    chosen, names = results["chosen"][scheduler], list(results["weights"])
    bins = []
    for first in range(0, len(chosen), BIN):
        part = chosen[first:first + BIN]
        bins.append([part.count(name) / len(part) for name in (*names, None)])
    subjects = [f"{name}, weight {weight}" for name, weight in results["weights"].items()]
    notes = [f"New connections, {BIN} to a column; each lives while {results['life']} more begin."]
    if scheduler in KEYS:
        notes.append(moved(results, scheduler))
    marks = ((results["leaves"], "ipvsadm -d: D leaves"), (results["returns"], "ipvsadm -a: D is back"))
    return Areas(scheduler, f"{scheduler}: who gets new connections", [*subjects, NOBODY], bins, marks, notes)


def main(path):
    results = json.loads(pathlib.Path(path).read_text())
    for scheduler in results["chosen"]:
        drawing(results, scheduler).write(DIRECTORY / f"{scheduler}.svg")
    print(f"{len(results['chosen'])} drawings are in {DIRECTORY}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
