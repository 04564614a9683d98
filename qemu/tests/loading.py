# SPDX-License-Identifier: GPL-2.0
"""The module comes, goes, and does not live beside ip_vs."""
import pathlib

from cases import case
from topology import run


def lines_of_the_log():
    """Returns what the kernel has said since the last mark of the guest."""
    text = run("dmesg")[1]
    return [line.split("] ", 1)[-1] for line in text.rsplit("rvs-guest: case", 1)[-1].splitlines()]


def modprobe(arguments):
    return run(f"modprobe {arguments}")[0]


@case(suite="alone")
def loads_and_unloads(d):
    for _ in range(5):
        d.expect("rvs loads", modprobe("rvs") == 0)
        d.expect("its settings are there", pathlib.Path("/proc/sys/net/ipv4/vs/conn_max").exists())
        said = [line for line in lines_of_the_log() if line.startswith("rvs: ")][-1:]
        line = f"rvs: IP Virtual Server version 1.2.1, for Linux {run('uname -r')[1].strip()}"
        d.expect(f"it says so: {said}", said == [line])
        d.expect("rvs unloads", modprobe("-r rvs") == 0)
        d.expect("its settings are gone", not pathlib.Path("/proc/sys/net/ipv4/vs").exists())


@case(suite="alone")
def refuses_beside_ip_vs(d):
    d.expect("ip_vs loads", modprobe("ip_vs") == 0)
    d.expect("rvs is refused", modprobe("rvs") != 0)
    said = [line for line in lines_of_the_log() if line.startswith("rvs: ip_vs")]
    d.expect("one clear line", said == ["rvs: ip_vs is loaded, and only one of the two can be: unload ip_vs first"])
    d.expect("ip_vs still works", run("ipvsadm -L")[0] == 0)
    d.expect("ip_vs unloads", modprobe("-r ip_vs") == 0)
    d.expect("then rvs loads", modprobe("rvs") == 0)


@case(suite="alone")
def keeps_ip_vs_out(d):
    d.expect("rvs loads", modprobe("rvs") == 0)
    for module in ("ip_vs", "ip_vs_rr", "xt_ipvs"):
        d.expect(f"{module} is refused", modprobe(module) != 0)
    d.expect("no warning", not any("WARNING" in line for line in lines_of_the_log()))
    d.expect("rvs unloads", modprobe("-r rvs") == 0)
    d.expect("then ip_vs loads", modprobe("ip_vs") == 0)


@case(suite="alone")
def unloads_under_many_namespaces(d):
    names = [f"many{number}" for number in range(50)]
    d.expect("rvs loads", modprobe("rvs") == 0)
    for name in names:
        d.netns(name)
    d.expect("rvs unloads", modprobe("-r rvs") == 0)
    d.expect("rvs loads again", modprobe("rvs") == 0)
    d.expect("with its settings", d.read("/proc/sys/net/ipv4/vs/pmtu_disc", names[0]) == "1\n")
    d.expect("rvs unloads again", modprobe("-r rvs") == 0)


@case(suite="alone")
def two_hundred_namespaces_come_and_go(d):
    d.expect("rvs loads", modprobe("rvs") == 0)
    for number in range(200):
        run(f"ip netns add many{number}")
    d.expect("the last has its settings", d.read("/proc/sys/net/ipv4/vs/pmtu_disc", "many199") == "1\n")
    for number in range(200):
        run(f"ip netns delete many{number}")
    d.expect("rvs unloads", modprobe("-r rvs") == 0)
