#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs scenarios in the guest: each case once with ip_vs and once with rvs, and compares what they saw."""
import argparse
import contextlib
import importlib
import json
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import traceback
import types

import director
import transcript
from cases import CASES

HERE = pathlib.Path(__file__).resolve().parent
ORACLE_MODULES = "ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_dh ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf ip_vs_mh ip_vs_lblc ip_vs_lblcr ip_vs_twos"
BASE_MODULES = "veth dummy bridge nf_conntrack nf_conntrack_netlink nf_tables nft_ct nft_compat nft_nat"
CASE_SECONDS = 3600


def kmsg(text):
    """Writes a mark into the kernel log, for the judge."""
    with contextlib.suppress(OSError), open("/dev/kmsg", "w") as log:
        log.write(f"rvs-guest: {text}\n")


def shell(command):
    return subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def load(module):
    """Loads one of the two modules, with the modprobe configuration that belongs to it."""
    configuration = pathlib.Path("/etc/modprobe.d/rvs.conf")
    configuration.unlink(missing_ok=True)
    if module == "rvs":
        configuration.write_text(pathlib.Path("/share/modprobe-rvs.conf").read_text())
    kmsg(f"loaded {module}")
    # Two of its schedulers bring settings of their own.
    done = shell("modprobe -a ip_vs ip_vs_lblc ip_vs_lblcr" if module == "ip_vs" else f"modprobe {module}")
    if done.returncode:
        raise SystemExit(f"# cannot load {module}: {done.stdout.strip()}")


def loaded(module):
    return any(line.split()[0] == module for line in open("/proc/modules"))


def unload(module):
    """Unloads a module once nothing uses it any more."""
    end = time.monotonic() + 120
    while loaded(module):
        if module == "ip_vs":
            shell("rmmod " + ORACLE_MODULES)
        done = shell(f"rmmod {module}")
        if done.returncode and time.monotonic() > end:
            raise SystemExit(f"# cannot unload {module}: {done.stdout.strip()}")
        time.sleep(0.05)
    kmsg("unloaded")


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
    return time.process_time() + sum(__import__("os").times()[2:4])


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
                shell("rm -f /etc/modprobe.d/rvs.conf")
                unload(module)
        for name, faults in context.more:
            report.case(name, faults, 0)
        report.case(case.name, context.faults, real_seconds() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="", help="regular expression over FILE: CASE")
    parser.add_argument("--first", default="ip_vs", help="module to compare with; empty for none")
    parser.add_argument("--second", default="rvs")
    parser.add_argument("--suite", default="compare", help="which cases: compare, or some of alone,debug,isolated,storm,smp,arm64")
    parser.add_argument("--show", action="store_true", help="print transcripts")
    parser.add_argument("--record", help="write the first module's transcripts to this file")
    parser.add_argument("--recorded", help="compare with the transcripts in this file, in place of the first module")
    parser.add_argument("--stop", action="store_true", help="stop at the first case that fails")
    options = parser.parse_args()
    sys.path[:0] = [str(HERE.parent / "tests")]
    for path in sorted((HERE.parent / "tests").glob("*.py")):
        importlib.import_module(path.stem)
    cases = [case for case in CASES if case.suite in options.suite.split(",") and re.search(options.filter, case.name)]
    if options.stop:
        # Whatever is wrong is met sooner when cases of all kinds come early.
        random.Random(0).shuffle(cases)
    assert len({case.name for case in CASES}) == len(CASES), "two cases have one name"
    shell(f"modprobe -a {BASE_MODULES}")
    report = Report(len(cases))
    if options.suite != "compare":
        alone(cases, report)
    else:
        pair(cases, report, options)
    print(f"# {options.suite}: {report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


def first_pass(cases, options):
    """Runs every case with the first module; returns what they saw and what they cost, by name."""
    seen = {}
    if options.recorded:
        recorded = json.loads(pathlib.Path(options.recorded).read_text())
        return {name: (types.SimpleNamespace(lines=lines, faults=[]), 0) for name, lines in recorded.items()}
    if not options.first:
        return seen
    load(options.first)
    for case in cases:
        if not case.only or options.first in case.only:
            start = real_seconds()
            seen[case.name] = (run_case(case, options.first), real_seconds() - start)
    unload(options.first)
    print(f"# {len(seen)} cases ran with {options.first}", flush=True)
    if options.record:
        pathlib.Path(options.record).write_text(json.dumps({name: run.lines for name, (run, _) in seen.items()}))
    return seen


def pair(cases, report, options):
    """Runs every case with the first module (if any), then with the second, and compares."""
    first = first_pass(cases, options)
    names = (options.first, options.second)
    load(options.second)
    for case in cases:
        start = real_seconds()
        before, spent = first.get(case.name, (None, 0))
        after = run_case(case, options.second) if not case.only or options.second in case.only else None
        if options.show:
            print("\n".join("# | " + transcript.plain(line) for line in (after or before).lines))
        report.case(case.name, judge_pair(case, before, after, names), spent + real_seconds() - start)
        if options.stop and report.failed:
            break
    unload(options.second)


if __name__ == "__main__":
    sys.exit(main())
