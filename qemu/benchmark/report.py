#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns results of a run into tables: printed, and as sections of docs/performance.md with their plots."""
import json
import pathlib
import re
import sys
import textwrap

import plot
import sections

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/performance.md"
INTRODUCTION = """# What packets and commands cost: rvs beside ip_vs

Written by `make bench` (everything; `make bench QUICK=1`: packet rows only, other sections stay); do not edit. Both modules
are measured in one guest, one run, on one stock kernel, with exact instruction counting: the guest's clock is the number of
executed instructions. **Instruction counts do not see caches, atomics or contention**; one section measures time, in user-mode
Linux. Rows of what rvs does not serve yet say so and fill themselves when it does. Where the instructions of a row go, by
function: `make profile ROW=…`.
"""


def table(columns, rows):
    """Returns a Markdown table; all columns but the first are numbers."""
    widths = [max(len(str(row[number])) for row in [columns, *rows]) for number in range(len(columns))]

    def line(cells):
        aligned = [str(cells[0]).ljust(widths[0])] + [str(cell).rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(aligned) + " |"

    rule = "|" + "|".join([":" + "-" * (widths[0] + 1)] + ["-" * (width + 1) + ":" for width in widths[1:]]) + "|"
    return "\n".join([line(columns), rule, *map(line, rows)])


def versions(results, key):
    """Returns the sentence that names what was measured with what."""
    found = results[key]
    kernel = re.sub(r" \(\S+@\S+\)", "", found["kernel"])
    command = "make bench QUICK=1" if results.get("quick") else "make bench"
    machine = found["processor"] if key == "native versions" else found["qemu"]
    said = f"Measured by `{command}`: {kernel}; {machine}; rvs built by {found['rustc']} and {found['clang']}."
    return textwrap.fill(said, 128, break_long_words=False, break_on_hyphens=False)


def render(results):
    """Yields (heading, text) of every section that the results hold."""
    for section in sections.SECTIONS:
        if results.get(section.key):
            body = []
            for part in section.parts(results):
                if isinstance(part, str):
                    body.append(part)
                elif isinstance(part, plot.Plot):
                    part.write(ROOT / "docs/performance" / f"{part.name}.svg")
                    body.append(f"![{part.title}](performance/{part.name}.svg)")
                else:
                    body.append(table(*part))
            yield section.heading, "\n\n".join([versions(results, section.versions), *body]) + "\n"


def merge(document, fresh):
    """Returns the document with its sections replaced by fresh ones; sections that were not measured stay."""
    kept = dict(re.findall(r"^## (.*?)\n\n(.*?)(?=\n## |\Z)", document, re.M | re.S))
    kept.update(fresh)
    parts = [f"## {section.heading}\n\n{kept[section.heading].strip()}\n" for section in sections.SECTIONS
             if section.heading in kept]
    return INTRODUCTION + "\n" + "\n".join(parts)


def load(directory):
    """Returns the results of all guests together."""
    results = {}
    for path in sorted(directory.glob("results-*.json")):
        for key, value in json.loads(path.read_text()).items():
            results[key] = results.get(key, []) + value if isinstance(value, list) else value
    return results


def main(directory):
    results = load(pathlib.Path(directory))
    fresh = dict(render(results))
    for heading, text in fresh.items():
        print(f"\n== {heading}\n\n{text}")
    DOCUMENT.write_text(merge(DOCUMENT.read_text() if DOCUMENT.exists() else "", fresh))
    failed = [row for rows in results.values() if isinstance(rows, list) for row in rows if "failed" in row]
    for row in failed:
        print(f"failed: {row}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
