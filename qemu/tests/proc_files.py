# SPDX-License-Identifier: GPL-2.0
"""The files below /proc/net: there from the start, with the modes and the text of the C module."""
import os
import stat

import topology
from cases import case

FILES = ("ip_vs", "ip_vs_conn", "ip_vs_stats", "ip_vs_stats_percpu", "ip_vs_status")


@case(rows=FILES)
def file_without_any_service(d, name):
    d.netns("director")
    d.proc(name)


@case(rows=FILES)
def file_with_services(d, name):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s wrr", "-a -t 10.9.0.1:80 -r 10.2.0.11:80 -m -w 3", "-A -u 10.9.0.1:53 -s rr", "-A -f 255 -s lc",
              "-a -f 255 -r 10.2.0.12:0 -g")
    d.proc(name)
    d.ipvsadm("-C")
    d.proc(name)


@case(rows=FILES)
def mode_and_owner(d, name):
    d.netns("director")
    with topology.inside("director"):
        status = os.stat(f"/proc/thread-self/net/{name}")
    d.say(f"{name}: {stat.filemode(status.st_mode)} {status.st_uid} {status.st_gid} size {status.st_size}")


@case
def reading_in_small_pieces_gives_the_same_text(d):
    d.bare()
    rules = "".join(f"-A -t 10.9.0.1:{number} -s rr\n-a -t 10.9.0.1:{number} -r 10.2.0.11:80 -m\n" for number in range(1000, 1100))
    d.ipvsadm("-R", stdin=rules)
    # ip_vs moves its services into a larger table some time later.
    d.wait("the table has its size", lambda: "(size=256)" in d.read("/proc/thread-self/net/ip_vs"))
    whole = d.read("/proc/thread-self/net/ip_vs")
    with topology.inside("director"):
        file = os.open("/proc/thread-self/net/ip_vs", os.O_RDONLY)
    pieces = []
    while piece := os.read(file, 100):
        pieces.append(piece)
    os.close(file)
    d.expect("the same text piece by piece", b"".join(pieces).decode() == whole)
    d.proc("ip_vs")
