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
NO_SERVER = "no server"
# What a hashing scheduler looks at: place in a connection, and its name.
KEYS = {"sh": (0, "clients"), "mh": (0, "clients"), "dh": (2, "addresses"), "lblc": (2, "addresses"), "lblcr": (2, "addresses")}


class Areas(plot.Plot):
    """Shares stacked over one another: for each bin a list of one share for each subject."""

    def __init__(self, name, title, bins, words):
        super().__init__(name, title, words["subjects"])
        self.bins, self.marks, self.notes = bins, words["marks"], words["notes"]

    def draw(self, pyplot):
        """Returns the figure."""
        figure, axes = pyplot.subplots(figsize=(7.5, 3.6 + 0.17 * len(self.notes)), layout="constrained")
        edges = [number * BIN for number in range(len(self.bins) + 1)]
        handles, tops = [], [0] * len(self.bins)
        for number, shares in enumerate(zip(*self.bins)):
            tops = [top + 100 * share for top, share in zip(tops, shares)]
            # Each from the bottom up and behind the one before: no seams.
            handles.append(axes.stairs(tops, edges, fill=True, color=plot.SERVERS[number], linewidth=0, zorder=1 - number / 10))
        axes.set(xlim=(0, edges[-1]), ylim=(0, 100), xticks=edges[::3], yticks=range(0, 101, 25))
        axes.yaxis.set_major_formatter("{x:.0f} %")
        axes.set_axisbelow(False)
        axes.grid(axis="y", alpha=0.5)
        for place, words in self.marks:
            axes.axvline(place, color="black", linewidth=1.2)
            axes.annotate(words, (place, 1), (0, 4), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center")
        axes.set_xlabel("\n".join(self.notes), loc="left")
        self.heading(figure, handles)
        return figure


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
    return f"Of {len(others)} {what} that A, B and C served before D left, {changed} changed to another server or to none."


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
    return Areas(scheduler, f"{scheduler}: the servers' shares of new connections", bins,
                 {"subjects": [*subjects, NO_SERVER], "marks": marks, "notes": notes})


def main(path):
    results = json.loads(pathlib.Path(path).read_text())
    for scheduler in results["chosen"]:
        drawing(results, scheduler).write(DIRECTORY / f"{scheduler}.svg")
    print(f"{len(results['chosen'])} drawings are in {DIRECTORY}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
