#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs rows under the instruction counter of `qemu/profile`: plain forwarding, ip_vs, rvs; saves counts and symbols."""
import ctypes
import functools
import json
import mmap
import pathlib
import shutil
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]

import bench  # noqa: E402
import control  # noqa: E402
import fill  # noqa: E402
import modules  # noqa: E402
import packets  # noqa: E402
import rows  # noqa: E402
import sender  # noqa: E402
import size  # noqa: E402
import testbed  # noqa: E402
import topology  # noqa: E402

BEGIN, PAUSE, WRITE = 1, 2, 3
MARK = 0x72767300
CONNECTIONS, SERVICES = 20000, 4000
MEASURED = pathlib.Path("/share/measured")


def marker(number):
    """Returns a function that executes one mark: `nopl MARK+number(%rax); ret`."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\x0f\x1f\x80" + struct.pack("<I", MARK + number) + b"\xc3")
    call = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    call.page = page
    return call


class Recorder:
    """Has what runs between two marks counted, and keeps what belongs to one measurement."""

    def __init__(self):
        self.begin, self.pause, self.write = marker(BEGIN), marker(PAUSE), marker(WRITE)
        self.index = []
        MEASURED.mkdir()

    def around(self, begins):
        (self.begin if begins else self.pause)()

    def save(self, row, subject, count):
        """Saves the counts of one row of one subject."""
        number = len(self.index)
        self.write()
        shutil.move(f"/share/counts.{number}", MEASURED / f"counts.{number}")
        (MEASURED / f"symbols.{number}").write_text(pathlib.Path("/proc/kallsyms").read_text())
        section = pathlib.Path(f"/sys/module/{subject}/sections/.text")
        self.index.append({"row": row, "subject": subject, "packets": count,
                           "text": int(section.read_text(), 16) if section.exists() else 0})
        (MEASURED / "index.json").write_text(json.dumps(self.index))


def profile(recorder, name, subject):
    """Runs one row of one subject."""
    family, protocol, method, kind, conntrack, services = rows.find(name)
    bed = testbed.Testbed(conntrack)
    try:
        if subject == "forward":
            sent = packets.Packets(family, protocol, testbed.server(family, 0))
            bed.sender.send(*sent.opening())
            packets.measure(bed, sent, kind, recorder.around)
        else:
            bed.serve(family, protocol, method, services=services)
            sent = packets.Packets(family, protocol, testbed.VIP[family])
            bed.sender.send(*sent.opening(both=method == "NAT"))
            packets.balanced(bed, sent, kind, functools.partial(packets.measure, around=recorder.around))
        recorder.save(name, subject, (packets.count_of(kind) - 1) * sender.BATCH)
    except testbed.NotServed as refusal:
        print(f"# {subject} does not serve {name} yet: {refusal}")
    finally:
        bed.close()


def listing(bed, around):
    """Reads the lines of many connections; returns how many."""
    bed.serve(4, "UDP", "DR")
    fill.Filler(bed).fill(0, CONNECTIONS)
    return counted(around, lambda: size.listing(bed, "ip_vs_conn"))["count"]


def counted(around, action):
    around(True)
    result = action()
    around(False)
    return result


def control_row(bed, name, around):
    """Runs one row of the control plane; returns how many commands, servers or lines that were."""
    if name == "listing":
        return listing(bed, around)
    if name in rows.CHANGES:
        control.change_one(bed, *rows.CHANGES[name], around)
        return control.REQUESTS
    lines = control.commands(SERVICES)
    # In the second round as in the tables: the servers of the first are in the trash.
    control.whole(bed, ["ipvsadm", "-R"], lines)
    control.whole(bed, ["ipvsadm", "-C"])
    actions = {"restore": lambda: control.whole(bed, ["ipvsadm", "-R"], lines),
               "services": lambda: size.listing(bed, "ip_vs")["count"],
               "list": lambda: control.whole(bed, ["ipvsadm", "-Ln"]),
               "flush": lambda: control.whole(bed, ["ipvsadm", "-C"])}
    if name != "restore":
        actions["restore"]()
    result = counted(around, actions[name])
    return {"restore": lines.count("\n"), "services": result}.get(name, SERVICES * control.SERVERS)


def profile_control(recorder, name, subject):
    """Runs one row of the control plane with one subject."""
    if subject == "forward":
        return
    bed = testbed.Testbed()
    try:
        recorder.save(name, subject, control_row(bed, name, recorder.around))
    finally:
        bed.close()


def main():
    names = [name.strip() for name in pathlib.Path("/share/rows").read_text().split(";") if name.strip()]
    topology.run(f"modprobe -a {bench.MODULES}")
    recorder = Recorder()
    for subject in ("forward", "ip_vs", "rvs"):
        if subject != "forward":
            modules.load(subject)
        for name in names:
            (profile_control if name in (*rows.CONTROL, *rows.CHANGES) else profile)(recorder, name, subject)
        if subject != "forward":
            modules.unload(subject)


if __name__ == "__main__":
    main()
