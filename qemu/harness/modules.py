# SPDX-License-Identifier: GPL-2.0
"""The two modules in the guest: loading and unloading them, and marks in the kernel log for the judge."""
import contextlib
import time

import topology

# What may need either of the two: C's own parts, or ours of the same names.
PARTS = ("xt_ipvs ip_vs_ftp ip_vs_pe_sip ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_dh ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf ip_vs_mh "
         "ip_vs_lblc ip_vs_lblcr ip_vs_twos")


def kmsg(text):
    """Writes a mark into the kernel log, for the judge."""
    with contextlib.suppress(OSError), open("/dev/kmsg", "w") as log:
        log.write(f"rvs-guest: {text}\n")


def load(module):
    """Loads one of the two modules; ours with the one by whose name programs look for it."""
    kmsg(f"loaded {module}")
    # Two of its schedulers bring settings of their own.
    code, output = topology.run("modprobe -a ip_vs ip_vs_lblc ip_vs_lblcr" if module == "ip_vs" else f"modprobe {module}")
    if module == "rvs" and not code:
        code, output = topology.run("insmod /share/built/ip_vs.ko")
    if code:
        raise SystemExit(f"# cannot load {module}: {output.strip()}")


def loaded(module):
    """Says whether a module is loaded."""
    return any(line.split()[0] == module for line in open("/proc/modules"))


def processes():
    """Returns what runs, for a module that something keeps in use."""
    return "\n".join(f"# {line}" for line in topology.run("ps -eo pid,ppid,netns,etimes,args")[1].splitlines() if "[" not in line)


def unload(module):
    """Unloads a module once nothing uses it any more."""
    end = time.monotonic() + 120
    while loaded(module):
        topology.run("rmmod " + PARTS + (" ip_vs" if module == "rvs" else ""))
        code, output = topology.run(f"rmmod {module}")
        if code and time.monotonic() > end:
            raise SystemExit(f"# cannot unload {module}: {output.strip()}\n{processes()}")
        time.sleep(0.05)
    kmsg("unloaded")
