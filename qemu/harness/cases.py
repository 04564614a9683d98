# SPDX-License-Identifier: GPL-2.0
"""The register of cases: a scenario file marks its functions with @case."""
import dataclasses
import typing

CASES = []


@dataclasses.dataclass
class Case:
    """One case: a function of a scenario file, and how it is run."""

    name: str
    function: typing.Callable
    suite: str
    only: tuple


def case(function=None, *, suite="compare", only=(), rows=None):
    """Registers a case; with `rows` one case per row, which the function gets as its second argument.

    suite: "compare" runs with both modules; the cases of "alone", "debug", "exhaustion", "isolated",
    "storm" (debug kernel), "smp" (four CPUs), "arm64" and "signed" load and unload modules themselves.
    only: names of the modules a case of "compare" is for.
    """
    def register(function):
        file = function.__module__
        title = function.__name__
        if rows is None:
            CASES.append(Case(f"{file}: {title}", function, suite, only))
        for row in rows or ():
            label = label_of(row, rows)
            CASES.append(Case(f"{file}: {title}: {label}", lambda d, row=row: function(d, row), suite, only))
        return function
    return register(function) if function else register


def label_of(row, rows):
    """Returns the name of a row: its first word if that tells it from the others, else all of it."""
    if not isinstance(row, tuple):
        return row
    if isinstance(row[0], str) and sum(other[0] == row[0] for other in rows) == 1:
        return row[0]
    return " ".join(map(str, row))
