#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures ip_vs and rvs in the guest and writes /share/results.json; `qemu/bench` boots it and prints the tables."""
import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "benchmark")]

import packets  # noqa: E402
import scenarios  # noqa: E402

MODULES = "tun dummy nf_conntrack nf_conntrack_netlink nf_tables nft_ct nf_flow_table_inet nft_flow_offload"


def versions():
    """Returns what was measured with."""
    return {"kernel": pathlib.Path("/proc/version").read_text().strip(),
            **json.loads(pathlib.Path("/share/versions.json").read_text())}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="packet rows only")
    parser.add_argument("--modules", default="ip_vs rvs")
    options = parser.parse_args()
    scenarios.shell(f"modprobe -a {MODULES}")
    results = {"versions": versions(), "quick": options.quick, "packets": []}

    def collect(rows):
        start = scenarios.real_seconds()
        before = len(results["packets"])
        results["packets"] += rows
        print(f"# {len(results['packets']) - before} packet rows, {scenarios.real_seconds() - start:.1f} s", flush=True)

    collect(packets.plain_rows())
    for module in options.modules.split():
        scenarios.load(module)
        collect(packets.module_rows(module, options.quick))
        scenarios.unload(module)
    pathlib.Path("/share/results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
