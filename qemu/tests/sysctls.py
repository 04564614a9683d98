# SPDX-License-Identifier: GPL-2.0
"""The sysctl directory net.ipv4.vs: names, defaults, ranges, modes."""
import os
import stat

import topology
from cases import case

ROOT = "/proc/sys/net/ipv4/vs"
INTEGERS = ("amemthresh am_droprate conntrack snat_reroute sync_persist_mode sync_sock_size cache_bypass expire_nodest_conn "
            "sloppy_tcp sloppy_sctp expire_quiescent_template nat_icmp_send pmtu_disc backup_only conn_reuse_mode schedule_icmp "
            "ignore_tunneled run_estimation").split()
RANGES = {"drop_entry": (-1, 0, 1, 2, 3, 4), "drop_packet": (-1, 0, 1, 2, 3, 4), "secure_tcp": (-1, 0, 1, 2, 3, 4), "sync_version": (-1, 0, 1, 2),
          "sync_retries": (-1, 0, 3, 4), "sync_ports": (-1, 0, 1, 2, 3, 4, 64, 128, 100), "est_nice": (-21, -20, 0, 19, 20),
          "conn_lfactor": (-9, -8, 0, 8, 9), "svc_lfactor": (-9, -8, 0, 8, 9), "conn_max": (-1, 0, 1, 1000, 2**30, 2**30 + 1, 2**31),
          "sync_qlen_max": (0, 1, 2**31, 2**40, -1), "sync_refresh_period": (0, 1, 10, -1, 2**31)}


def names():
    with topology.inside("director"):
        return sorted(os.listdir(ROOT))


@case
def every_name_with_its_default(d):
    d.netns("director")
    for name in names():
        if name in ("lblc_expiration", "lblcr_expiration"):
            continue
        with topology.inside("director"):
            mode = stat.filemode(os.stat(f"{ROOT}/{name}").st_mode)
        d.say(f"{name} {mode} {d.read(f'{ROOT}/{name}').strip()!r}")


@case(rows=INTEGERS)
def plain_integer(d, name):
    d.netns("director")
    for value in (0, 1, 2, 7, -1, 2147483647, -2147483648, 2147483648, "x", "", "1 2"):
        d.sysctl(name, value)
        d.sysctl(name)


@case(rows=tuple(RANGES))
def range_of(d, name):
    d.netns("director")
    for value in RANGES[name]:
        d.sysctl(name, value)
        d.sysctl(name)


@case
def sync_threshold_is_a_checked_pair(d):
    d.netns("director")
    for value in ("3 50", "0 0", "5 5", "6 5", "5 0", "-1 5", "5 -1", "7", "1 2 3", "x"):
        d.sysctl("sync_threshold", value)
        d.sysctl("sync_threshold")


@case
def values_belong_to_their_namespace(d):
    d.netns("director")
    d.netns("other")
    for name in ("expire_nodest_conn", "conntrack", "conn_reuse_mode", "sloppy_tcp"):
        d.sysctl(name, 5)
        d.sysctl(name, where="other")
        d.sysctl(name)
