# SPDX-License-Identifier: GPL-2.0
"""Client libraries: a program for each, in tests/clients, makes, edits, lists and deletes, and prints what it is told."""
import pathlib
import platform
import sys

from cases import case

PROGRAMS = pathlib.Path(__file__).resolve().parents[2] / "clients"
# The programs, by the library that they use.
LIBRARIES = {"pyroute2": f"env PYTHONPATH={PROGRAMS}/libraries {sys.executable} {PROGRAMS}/with_pyroute2.py", "nlrs": f"{PROGRAMS}/with_nlrs"}


@case(rows=tuple(LIBRARIES))
def library(d, name):
    if name == "nlrs" and platform.machine() != "x86_64":
        return
    d.bare()
    output = d.run(LIBRARIES[name])
    failed = "Traceback" in output or "panicked" in output
    d.expect(f"it does not fail {output[-2000:] if failed else ''}", not failed)
    d.expect("it was told of many things", len(output.splitlines()) > 50)
    d.ipvsadm("-S -n")
