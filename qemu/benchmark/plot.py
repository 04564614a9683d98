# SPDX-License-Identifier: GPL-2.0
"""Draws bars and lines as SVG with matplotlib. The same figures make the same file, byte by byte."""
import contextlib
import io
import itertools
import re

# Colours that differ without red and green too: one for each module, or for each server and for no server.
MODULES = {"ip_vs": "#c8641e", "rvs": "#1f6fb2"}
SERVERS = ("#4477aa", "#66ccee", "#ccbb44", "#ee7733", "#bbbbbb")
DASHES = ("-", (0, (4, 2)))
STYLE = {
    # Letters stay letters: small files that can be searched. DejaVu Sans, which the layout is made with, is a wide one.
    "svg.fonttype": "none", "svg.hashsalt": "rvs", "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"], "font.size": 9,
    "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#666666", "axes.axisbelow": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.8, "legend.frameon": False, "text.parse_math": False,
    "figure.constrained_layout.w_pad": 0.12, "figure.constrained_layout.h_pad": 0.08,
}


@contextlib.contextmanager
def drawing():
    """Lends matplotlib in the plots' style; the tables of a machine without it can still be made."""
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    with matplotlib.rc_context(STYLE):
        yield pyplot
        pyplot.close("all")


def grouped(value, _=None):
    """Returns a number of the axes as text."""
    return f"{value:,.0f}"


class Plot:
    """What all plots share: a name, a title, a legend, a file. `draw` returns the figure of a plot."""

    def __init__(self, name, title, subjects):
        self.name, self.title, self.subjects = name, title, subjects

    def heading(self, figure, handles):
        """Puts title and legend above the figure."""
        figure.legend(handles, self.subjects, loc="outside upper left", ncols=len(self.subjects), title=self.title, alignment="left",
                      title_fontproperties={"weight": "bold", "size": 11}, handlelength=2.2, columnspacing=1.8)

    def write(self, path):
        """Writes the drawing, without a date and without the document type, which points to another machine."""
        with drawing() as pyplot:
            file = io.StringIO()
            self.draw(pyplot).savefig(file, format="svg", facecolor="white",
                                      metadata={"Title": self.title, **dict.fromkeys(("Date", "Creator", "Format", "Type"))})
        path.parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(r"<!DOCTYPE[^>]*>\n", "", file.getvalue())
        # A path's points on one line.
        path.write_text(re.sub(r" *\n(?=[A-Za-z\"])", " ", text))


class Bars(Plot):
    """Groups of horizontal bars, (label, one value for each subject), with a column for each first word of the labels."""

    def __init__(self, name, title, subjects, groups):
        super().__init__(name, title, subjects)
        self.groups = groups

    def draw(self, pyplot):
        """Returns the figure."""
        columns = {}
        for label, values in self.groups:
            first, rest = label.split(" ", 1)
            columns.setdefault(first, {})[rest] = values
        rows = list(dict.fromkeys(label for column in columns.values() for label in column))
        handles = []
        figure, axes = pyplot.subplots(1, max(len(columns), 1), sharex=True, sharey=True, squeeze=False, layout="constrained",
                                       figsize=(2.8 + 2.5 * len(columns), 1.2 + 0.4 * len(rows)))
        for place, (name, column) in zip(axes[0], columns.items()):
            handles = self.column(place, rows, column)
            place.set_title(name, loc="left", weight="bold")
        most = max((value for _, values in self.groups for value in values), default=1)
        axes[0][0].set_xlim(0, most * 1.22)
        axes[0][0].set_yticks(range(len(rows)), rows)
        axes[0][0].set_ylim(max(len(rows), 1) - 0.5, -0.5)
        self.heading(figure, handles)
        return figure

    def column(self, axes, rows, column):
        """Draws the bars of one column and returns one group for each subject."""
        thick, handles = 0.8 / len(self.subjects), []
        for number, subject in enumerate(self.subjects):
            places = [rows.index(label) + (number - (len(self.subjects) - 1) / 2) * thick for label in column]
            values = [found[number] for found in column.values()]
            handles.append(axes.barh(places, values, thick * 0.92, color=MODULES[subject]))
            axes.bar_label(handles[-1], map(grouped, values), padding=3, size=8)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(left=False, bottom=False, labelbottom=False)
        return handles


class Lines(Plot):
    """Lines over a logarithmic axis: {subject: list of (x, y)}; a subject is a module and what is counted of it."""

    def __init__(self, name, title, series, label):
        super().__init__(name, title, list(series))
        self.series, self.label = series, label

    def draw(self, pyplot):
        """Returns the figure: a module has a colour, what is counted a dash."""
        figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
        dashes = dict(zip(dict.fromkeys(subject.split(" ", 1)[1] for subject in self.subjects), itertools.cycle(DASHES)))
        handles = []
        for subject, points in self.series.items():
            module, what = subject.split(" ", 1)
            handles += axes.plot(*zip(*points), color=MODULES[module], linestyle=dashes[what], marker="o", markersize=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(grouped)
        axes.yaxis.set_major_formatter(grouped)
        axes.minorticks_off()
        axes.grid(axis="y")
        axes.set_ylim(0, axes.get_ylim()[1])
        axes.set_xlabel(self.label)
        self.heading(figure, handles)
        return figure
