# SPDX-License-Identifier: GPL-2.0
"""The module's KUnit suites run when it is loaded into the debug kernel; each of their tests is a case here."""
import re

import topology
from cases import case

MARK = "rvs-guest: KUnit starts here"


def results(lines):
    """Yields (suite: test, passed) for every test of every suite in KTAP that the kernel printed."""
    suite = ""
    for line in lines:
        subtest = re.search(r"# Subtest: (\S+)", line)
        result = re.match(r" {4,}(not ok|ok) \d+ (\S+)(.*)", line)
        if subtest:
            suite = subtest.group(1)
        elif result and suite:
            yield f"{suite}: {result.group(2)}", result.group(1) == "ok" and "SKIP" not in result.group(3)


@case(suite="debug")
def every_suite_passes(d):
    with open("/dev/kmsg", "w") as log:
        log.write(MARK + "\n")
    d.expect("rvs loads", topology.run("modprobe rvs")[0] == 0)
    text = topology.must("dmesg --notime")
    lines = text.rsplit(MARK, 1)[-1].splitlines()
    found = list(results(lines))
    for name, passed in found:
        d.also(f"kunit: {name}", [] if passed else [line for line in lines if line.lstrip().startswith("#")][-20:])
    d.expect("suites were run", len(found) > 0)
    d.expect("rvs unloads", topology.run("rmmod rvs")[0] == 0)
