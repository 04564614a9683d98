# SPDX-License-Identifier: GPL-2.0
"""docs/control.md: the table of sysctls, what is there, with which default and which range; the program that reads a sentence."""
import pathlib
import re
import textwrap

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


def example():
    """Returns the program of the page, and what it is said to print."""
    section = DOCUMENT.read_text().split("### Reading the sentence\n", 1)[1].split("\n## ", 1)[0]
    return [textwrap.dedent(block).strip() for block in re.findall(r"(?:^    .*\n+)+", section, re.M)]


@case(only=("rvs",))
def the_program_reads_the_sentence(d):
    program, printed = example()
    d.bare()
    code, output = d.execute(["python3", "-c", program])
    d.expect(f"it prints what the page says: {output}", (code, output.strip()) == (0, printed))


@case(only=("rvs",))
def ranges(d):
    d.bare()
    for name, _, limits in table():
        between = re.fullmatch(r"(-?\d+) to (-?\d+)", limits)
        low, high = map(int, between.groups()) if between else (-2**31, 2**31 - 1)
        if between or limits.split(",")[0] == "int":
            taken = [d.sysctl(name, value) == "0" for value in (low, high, low - 1, high + 1)]
            d.expect(f"{name} takes {low} to {high}: {taken}", taken == [True, True, False, False])
