#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns counts of instructions into tables: by function for each subject, and inside rvs by inlined function, too."""
import bisect
import collections
import json
import pathlib
import re
import subprocess
import sys

LEAST = 3
USER_SPACE = ("user space", "")


class Symbols:
    """The functions of a running kernel and its modules, by address."""

    def __init__(self, path):
        found = {}
        for line in path.read_text().splitlines():
            address, kind, name, *module = line.split()
            if kind in "tTwW" and not name.startswith(("__pfx_", "__cfi_", "__SCT__")):
                found.setdefault(int(address, 16), (name, module[0].strip("[]") if module else ""))
        self.addresses = sorted(found)
        self.names = [found[address] for address in self.addresses]

    def at(self, address):
        """Returns (function, module) of an address; 0 means all of user space."""
        if not address:
            return USER_SPACE
        return self.names[max(bisect.bisect_right(self.addresses, address) - 1, 0)]


def demangle(names):
    """Returns readable names of Rust functions, without hashes and crates' disambiguators."""
    done = subprocess.run(["c++filt"], input="\n".join(names), text=True, stdout=subprocess.PIPE, check=True).stdout
    return [re.sub(r"\[[0-9a-f]{16}\]", "", name) for name in done.splitlines()]


def counts_of(path):
    """Yields (address, count) of each instruction."""
    for line in path.read_text().splitlines():
        address, count = line.split()
        yield int(address, 16), int(count)


def by_function(folder, number, packets):
    """Returns instructions per packet of each (function, module) of one measurement."""
    symbols, costs = Symbols(folder / f"symbols.{number}"), collections.Counter()
    for address, count in counts_of(folder / f"counts.{number}"):
        costs[symbols.at(address)] += count / packets
    return costs


def frames_of(module, offsets):
    """Returns for each offset into the module's code the functions that are inlined there, innermost first."""
    text = "\n".join(hex(offset) for offset in offsets)
    done = subprocess.run(["addr2line", "-a", "-f", "-i", "-j", ".text", "-e", module], input=text, text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    found = []
    for line in done.splitlines():
        if re.fullmatch(r"0x[0-9a-f]{16}", line):
            found.append([])
        else:
            found[-1].append(line)
    return [[(lines[at], lines[at + 1]) for at in range(0, len(lines) - 1, 2)] for lines in found]


def place(where):
    """Returns the file of a `file:line`, as short as it still tells."""
    return "/".join(where.rsplit(":", 1)[0].split("/")[-2:])


def by_inlined(folder, number, entry, module):
    """Returns instructions per packet by inlined function of the module: with what is inlined into it, and alone by file."""
    symbols = Symbols(folder / f"symbols.{number}")
    ours = [(address, count) for address, count in counts_of(folder / f"counts.{number}") if symbols.at(address)[1] == "rvs"]
    alone, whole = collections.defaultdict(collections.Counter), collections.Counter()
    for (_, count), stack in zip(ours, frames_of(module, [address - entry["text"] for address, _ in ours])):
        alone[stack[0][0]][place(stack[0][1])] += count / entry["packets"]
        for name in {name for name, _ in stack}:
            whole[name] += count / entry["packets"]
    return alone, whole


def print_functions(costs):
    """Prints one line for each function, those of the modules first."""
    keys = sorted(set().union(*costs.values()), key=lambda key: (key[1] not in ("ip_vs", "rvs"), -max(c[key] for c in costs.values())))
    names = dict(zip(keys, demangle([name for name, _ in keys])))
    print(f"{'':60} {'module':14}" + "".join(f"{subject:>10}" for subject in costs))
    for key in keys:
        if max(found[key] for found in costs.values()) >= LEAST:
            print(f"{names[key][:60]:60} {key[1]:14}" + "".join(f"{found[key]:10.0f}" if found[key] else " " * 10
                                                               for found in costs.values()))
    sums = [("inside ip_vs and its schedulers", lambda key: key[1].startswith("ip_vs")), ("inside rvs", lambda key: key[1] == "rvs"),
            ("user space", lambda key: key == USER_SPACE),
            ("the rest of the kernel, with the sender", lambda key: key != USER_SPACE and key[1] != "rvs" and not key[1].startswith("ip_vs"))]
    for title, wanted in sums:
        print(f"{title:75}" + "".join(f"{sum(value for key, value in found.items() if wanted(key)):10.0f}" for found in costs.values()))


def print_inlined(alone, whole):
    """Prints what inlining hides inside rvs; code of C helpers shows as that of the function they are inlined into."""
    names = [name for name in sorted(whole, key=whole.get, reverse=True) if whole[name] >= LEAST]
    print(f"\ninside rvs, by inlined function:{'':30}{'with inlined':>14}{'alone':>8}  of that, from")
    for name, shown in zip(names, demangle(names)):
        files = ", ".join(f"{file} {cost:.0f}" for file, cost in alone[name].most_common(4) if cost >= 1)
        print(f"{shown[:62]:62}{whole[name]:14.0f}{alone[name].total():8.0f}  {files}")


def main(folder, module):
    folder = pathlib.Path(folder)
    index = json.loads((folder / "index.json").read_text())
    for row in dict.fromkeys(entry["row"] for entry in index):
        print(f"\n=== {row}: instructions per packet, by function\n")
        numbers = {entry["subject"]: number for number, entry in enumerate(index) if entry["row"] == row}
        print_functions({subject: by_function(folder, number, index[number]["packets"]) for subject, number in numbers.items()})
        if "rvs" in numbers:
            print_inlined(*by_inlined(folder, numbers["rvs"], index[numbers["rvs"]], module))


if __name__ == "__main__":
    main(*sys.argv[1:])
