#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures ip_vs and rvs in the guest and writes /share/results.json; `qemu/bench` boots it and prints the tables."""
import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]

import control  # noqa: E402
import growth  # noqa: E402
import native  # noqa: E402
import packets  # noqa: E402
import rows  # noqa: E402
import scenarios  # noqa: E402
import schedulers  # noqa: E402
import size  # noqa: E402
import topology  # noqa: E402
from modules import load, unload  # noqa: E402

MODULES = "tun dummy nf_conntrack nf_conntrack_netlink nf_tables nft_ct nf_flow_table_inet nft_flow_offload"
OPTIONS = pathlib.Path("/etc/modprobe.d/bench.conf")
RESULTS = {}

# What is measured without a balancer, with each module as it is loaded, and with ip_vs given a table of 2^20 buckets.
PLAIN = {"packets": lambda quick: packets.plain_rows(), "arm64": lambda quick: packets.plain_rows(rows.few), "schedulers": lambda quick: schedulers.plain()}
NORMAL = {"packets": packets.module_rows, "schedulers": lambda module, quick: schedulers.rows(module)}
# On another machine.
FOREIGN = {"arm64": lambda module, quick: packets.module_rows(module, quick, rows.few)}
LARGE = {"size": lambda module, quick: size.connections(module), "many": lambda module, quick: size.many(module),
         "control": lambda module, quick: control.rows(module),
         "changes": lambda module, quick: control.changes(module),
         "services": lambda module, quick: growth.services(module),
         "connections": lambda module, quick: growth.connections(module),
         "children": lambda module, quick: growth.children(module)}
# In a guest of its own for each module.
ALONE = {"memory": lambda module, quick: size.memory_rows(module)}
LARGE_TABLE = "options ip_vs conn_tab_bits=20\n"


def versions():
    """Returns what was measured with."""
    return {"kernel": pathlib.Path("/proc/version").read_text().strip(),
            **json.loads(pathlib.Path("/share/versions.json").read_text())}


def save():
    pathlib.Path("/share/results.json").write_text(json.dumps(RESULTS))


def collect(section, subject, rows):
    """Adds the rows of a section, saves what there is so far, and says what it took."""
    start, before = scenarios.real_seconds(), len(RESULTS.setdefault(section, []))
    RESULTS[section] += rows
    save()
    print(f"# {section}, {subject}: {len(RESULTS[section]) - before} rows, {scenarios.real_seconds() - start:.0f} s", flush=True)


def measure(modules, sections, quick, options=""):
    """Loads each module in turn and measures some sections."""
    if not sections:
        return
    for module in modules:
        OPTIONS.write_text(options)
        load(module)
        for section, rows in sections.items():
            collect(section, module, rows(module, quick))
        unload(module)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="packet rows only")
    parser.add_argument("--sections", help="only these, with spaces between them: " + " ".join([*NORMAL, *LARGE, *ALONE, *FOREIGN]))
    parser.add_argument("--modules", default="ip_vs rvs")
    parser.add_argument("--alone", action="store_true", help="only sections that want a guest for one module")
    parser.add_argument("--native", action="store_true", help="packet rows in time, in user-mode Linux")
    parser.add_argument("--pairs", type=int, default=native.PAIRS, help="of these, how many turns")
    options = parser.parse_args()
    if options.native:
        RESULTS["native versions"] = versions()
        return collect("native", "both", native.measured(options.pairs))
    topology.run(f"modprobe -a {MODULES}")
    wanted = (options.sections or ("packets" if options.quick else " ".join([*NORMAL, *LARGE]))).split()
    RESULTS.update({"arm64 versions" if "arm64" in wanted else "versions": versions(), "quick": options.quick})
    save()
    for section, rows in PLAIN.items():
        if section in wanted:
            collect(section, "plain", rows(options.quick))
    modules = options.modules.split()
    measure(modules, {key: rows for key, rows in {**NORMAL, **FOREIGN}.items() if key in wanted}, options.quick)
    table = ALONE if options.alone else LARGE
    measure(modules, {key: rows for key, rows in table.items() if key in wanted}, options.quick, LARGE_TABLE)


if __name__ == "__main__":
    main()
