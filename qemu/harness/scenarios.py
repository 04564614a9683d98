#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs scenarios in the guest: each case once with ip_vs and once with rvs, and compares what they saw."""
import argparse
import collections
import importlib
import os
import pathlib
import random
import re
import signal
import sys
import time
import traceback
import types

import director
import recorded
import topology
import transcript
from cases import CASES
from modules import kmsg, load, loaded, unload

HERE = pathlib.Path(__file__).resolve().parent
BASE_MODULES = "veth dummy bridge nf_conntrack nf_conntrack_netlink nf_tables nft_ct nft_compat nft_nat"
# What answers for protocols once a case needed it: in "compare" it is there from the start, for both modules.
PROTOCOLS = "sctp ip_gre ip6_gre ipip sit ip6_tunnel fou fou6"
# Of the guest, whose time runs fast while the machine that it is on is busy.
CASE_SECONDS = 4 * 3600


def run_case(case, module):
    """Runs one case and returns its Director, with transcript and faults."""
    context = director.Director(module)
    kmsg(f"case {case.name} ({module})")
    signal.alarm(CASE_SECONDS)
    try:
        case.function(context)
    except director.Failed as failure:
        context.faults.append(str(failure))
    except Exception:
        context.faults += traceback.format_exc(limit=-2).splitlines()
    finally:
        signal.alarm(0)
        try:
            context.close()
        except Exception as error:
            context.faults.append(f"clean-up: {error}")
    return context


class Report:
    """Prints one KTAP line per case and counts."""

    def __init__(self, total):
        self.number, self.passed, self.failed = 0, 0, 0
        print("KTAP version 1\n1..%d" % total, flush=True)

    def case(self, name, faults, seconds):
        self.number += 1
        self.passed, self.failed = self.passed + (not faults), self.failed + bool(faults)
        print(f"{'not ok' if faults else 'ok'} {self.number} {name} # {seconds:.1f} s", flush=True)
        for line in faults[:60]:
            print(f"#   {line}")
        if len(faults) > 60:
            print(f"#   … {len(faults) - 60} more lines")
        sys.stdout.flush()


def real_seconds():
    """Seconds of the CPU this guest has used: what a case costs, since waiting is free."""
    return time.process_time() + sum(os.times()[2:4])


def judge_pair(case, before, after, names):
    """Returns what is wrong with a case: faults of either run, then differences of the transcripts."""
    faults = [f"with {name}: {fault}" for name, run in zip(names, (before, after)) if run for fault in run.faults]
    if before and after:
        faults += transcript.compare(before.lines, after.lines, names)
    return faults


def alone(cases, report):
    """Runs the cases that handle modules themselves, with none loaded before or after."""
    for case in cases:
        start = real_seconds()
        context = run_case(case, "none")
        for module in ("rvs", "ip_vs"):
            if loaded(module):
                unload(module)
        for name, faults in context.more:
            report.case(name, faults, 0)
        report.case(case.name, context.faults, real_seconds() - start)


def arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="", help="regular expression over FILE: CASE")
    parser.add_argument("--first", default="ip_vs", help="module to compare with; empty for none")
    parser.add_argument("--second", default="rvs")
    parser.add_argument("--suite", default="compare", help="which cases: compare, or some of alone,debug,exhaustion,isolated,storm,smp,arm64,signed")
    parser.add_argument("--part", default="1/1", metavar="N/M", help="only the Nth of M parts of the cases, which take about the same time")
    parser.add_argument("--may-match-none", action="store_true", help="it is no failure that no case of the suites matches: others may have some")
    parser.add_argument("--list", action="store_true", help="print how many cases of each suite there are, and run none")
    parser.add_argument("--show", action="store_true", help="print transcripts")
    parser.add_argument("--reuse", help="folder of the first module's transcripts: those that are still right are used, others added")
    parser.add_argument("--salt", default="", help="with --reuse: what else transcripts depend on, like the guest's tree")
    parser.add_argument("--stop", action="store_true", help="stop at the first case that fails")
    return parser.parse_args()


def part_of(cases, part):
    """Returns the Nth of M parts, "N/M". Neighbours are much alike, so that every Mth case is a fair share of the work."""
    number, parts = map(int, part.split("/"))
    chosen = cases[number - 1::parts]
    print(f"# part {number} of {parts}: {len(chosen)} of {len(cases)} cases", flush=True)
    return chosen


def main():
    """Runs the cases that were asked for."""
    options = arguments()
    sys.path[:0] = [str(HERE.parent / "tests")]
    for path in sorted((HERE.parent / "tests").glob("*.py")):
        importlib.import_module(path.stem)
    assert len({case.name for case in CASES}) == len(CASES), "two cases have one name"
    matching = [case for case in CASES if re.search(options.filter, case.name)]
    if options.list:
        for suite, count in collections.Counter(case.suite for case in matching).items():
            print(suite, count)
        return 0
    chosen = [case for case in matching if case.suite in options.suite.split(",")]
    if not chosen and not options.may_match_none:
        print(f"not ok: no case of {options.suite} matches '{options.filter}'; of others: {' '.join(sorted({case.suite for case in matching})) or 'none'}")
        return 1
    cases = part_of(chosen, options.part)
    if options.stop:
        # Whatever is wrong is met sooner when cases of all kinds come early.
        random.Random(0).shuffle(cases)
    topology.run(f"modprobe -a {BASE_MODULES}")
    if options.suite == "compare":
        topology.must(f"modprobe -a {PROTOCOLS}")
        # A device of each tunnel in every namespace would cost more than the namespace.
        topology.set_sysctl(None, "net/core/fb_tunnels_only_for_init_net", 1)
    report = Report(len(cases))
    if options.suite != "compare":
        alone(cases, report)
    else:
        pair(cases, report, options)
    print(f"# {options.suite}: {report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


def unseen(lines):
    """Returns a run that was not made here but is known by its transcript."""
    return types.SimpleNamespace(lines=lines, faults=[]), 0


def first_pass(cases, options):
    """Returns what every case saw with the first module and what that cost, by name."""
    if not options.first:
        return {}
    cases = [case for case in cases if not case.only or options.first in case.only]
    store = recorded.Store(options.reuse, f"{options.salt} {options.first}", options.part) if options.reuse else None
    known = store.take([case.name for case in cases]) if store else {}
    made = run_first([case for case in cases if case.name not in known], options.first, store)
    print(f"# {len(made)} cases ran with {options.first}, {len(known)} were known", flush=True)
    return made | {name: unseen(lines) for name, lines in known.items()}


def run_first(cases, module, store):
    """Runs cases with the first module and adds them to the store, if any; returns what they saw and what they cost, by name."""
    made = {}
    if not cases:
        return made
    load(module)
    for case in cases:
        start = real_seconds()
        made[case.name] = (run_case(case, module), real_seconds() - start)
    if store:
        store.put({name: run.lines for name, (run, _) in made.items() if not run.faults})
    unload(module)
    return made


def pair(cases, report, options):
    """Runs every case with the first module (if any), then with the second, and compares."""
    first = first_pass(cases, options)
    names = (options.first, options.second)
    load(options.second)
    for case in cases:
        start = real_seconds()
        before, spent = first.get(case.name, (None, 0))
        after = run_case(case, options.second) if not case.only or options.second in case.only else None
        shown = after or before
        if options.show and shown:
            print("\n".join("# | " + transcript.plain(line) for line in shown.lines))
        report.case(case.name, judge_pair(case, before, after, names), spent + real_seconds() - start)
        if options.stop and report.failed:
            break
    unload(options.second)


if __name__ == "__main__":
    sys.exit(main())
