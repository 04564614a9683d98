# SPDX-License-Identifier: GPL-2.0
"""The table of sysctls in docs/control.md: what is there, with which default and which range."""
import pathlib
import re

from cases import case

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/control.md"
DIRECTORY = "/proc/sys/net/ipv4/vs"


def table():
    """Returns (name, default, range) of the rows of the table."""
    if not DOCUMENT.exists():
        return ()
    lines = DOCUMENT.read_text().split("## Sysctls\n", 1)[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return tuple((name.strip("`"), default, limits) for name, default, limits, *_ in cells)


@case(only=("rvs",))
def names_and_defaults(d):
    d.bare()
    names = d.execute(["ls", DIRECTORY])[1].split()
    d.expect("the table has the files of the directory", sorted(names) == sorted(name for name, _, _ in table()))
    for name, default, _ in table():
        # The initial namespace: two have another default elsewhere.
        found = d.execute(["nsenter", "-t", "1", "-n", "cat", f"{DIRECTORY}/{name}"])[1].split()
        if re.fullmatch(r"[-\d ]+", default):
            d.expect(f"{name} is {default}, found {found}", found == default.split())


@case(only=("rvs",))
def ranges(d):
    d.bare()
    for name, _, limits in table():
        between = re.fullmatch(r"(-?\d+) to (-?\d+)", limits)
        low, high = map(int, between.groups()) if between else (-2**31, 2**31 - 1)
        if between or limits.split(",")[0] == "int":
            taken = [d.sysctl(name, value) == "0" for value in (low, high, low - 1, high + 1)]
            d.expect(f"{name} takes {low} to {high}: {taken}", taken == [True, True, False, False])
