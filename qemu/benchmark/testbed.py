# SPDX-License-Identifier: GPL-2.0
"""One director for measuring: a namespace with a tap that packets come from and two dummy devices that swallow them.

    tap `wire` (all frames come in here) --> | director | --> dummy `out1` 10.1.0.0/16, fd01::/64 (clients)
                                                          --> dummy `out2` 10.2.0.0/16, fd02::/64 (servers)
"""
import subprocess
import time

import frames
import sender
import topology

CLIENT = {4: "10.1.0.2", 6: "fd01::2"}
VIP = {4: "10.9.0.1", 6: "fd09::1"}
SERVER = {4: "10.2.0.11", 6: "fd02::11"}
METHODS = {"DR": "-g", "NAT": "-m", "tunnel": "-i"}
PROTOCOLS = {"UDP": "-u", "TCP": "-t", "SCTP": "--sctp-service"}
CONNTRACK = """table inet track {
    chain input { type filter hook input priority 300; ct state established accept; }
}"""
# Seconds after a director, so that what is freed in the background does not fall into the next rows; virtual time is free.
SETTLE = 5
COUNT = 0


class NotServed(Exception):
    """The module refuses what a row needs."""


def run(command, where=None, stdin=None):
    """Runs a command, in a namespace; returns its exit status and its output."""
    words = (["ip", "netns", "exec", where] if where else []) + command
    done = subprocess.run(words, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip()


def must(command, where=None, stdin=None):
    """Runs a command that has to succeed."""
    status, output = run(command, where, stdin)
    if status:
        raise RuntimeError(f"{' '.join(command)}: {output}")
    return output


def end(family, text):
    """Returns an address as ipvsadm wants it before a port."""
    return text if family == 4 else f"[{text}]"


class Testbed:
    """A director of its own for a few rows; the connections of one testbed never meet those of another."""

    def __init__(self, conntrack=False):
        global COUNT
        COUNT += 1
        self.name, self.conntrack = f"director{COUNT}", conntrack
        topology.add(self.name)
        for path in ("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad", "ipv6/conf/default/accept_ra"):
            topology.set_sysctl(self.name, "net/" + path, 0)
        topology.set_sysctl(self.name, "net/ipv6/conf/default/addr_gen_mode", 1)
        self.sender = sender.Sender(self.name)
        topology.batch([
            "link set lo up", "link add out1 type dummy", "link add out2 type dummy",
            f"link set wire address {frames.TAP.hex(':')}", "link set wire up", "link set out1 up", "link set out2 up",
            "address add 10.1.0.1/16 dev out1", "address add 10.2.0.1/16 dev out2",
            "address add fd01::1/64 dev out1 nodad", "address add fd02::1/64 dev out2 nodad",
            "address add 10.9.0.1/32 dev lo", "address add fd09::1/128 dev lo nodad"], self.name)
        for path, value in (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/conf/all/rp_filter", 0),
                            ("ipv4/conf/wire/rp_filter", 0), ("ipv4/conf/all/send_redirects", 0)):
            topology.set_sysctl(self.name, "net/" + path, value)
        if conntrack:
            must(["nft", "-f", "-"], self.name, CONNTRACK)

    def close(self):
        self.sender.close()
        topology.remove([self.name])
        time.sleep(SETTLE)

    def serve(self, family, protocol, method, services=1, scheduler="rr", servers=1):
        """Makes the service of the rows, among others."""
        self.setting("conntrack", int(self.conntrack))
        kind, vip = PROTOCOLS[protocol], end(family, VIP[family])
        lines = [f"-A {kind} {vip}:80 -s {scheduler}"]
        lines += [f"-a {kind} {vip}:80 -r {end(family, server(family, number))}:80 {METHODS[method]} -w 1"
                  for number in range(servers)]
        for line in lines[:2]:
            self.control(line)
        self.restore(lines[2:] + [f"-A {kind} {vip}:{10000 + number} -s rr" for number in range(services - 1)])

    def control(self, arguments):
        """Runs ipvsadm once; a refusal is that of a module that does not serve this yet."""
        status, output = run(["ipvsadm", *arguments.split()], self.name)
        if status:
            raise NotServed(output or "refused")

    def restore(self, lines):
        """Runs many commands of ipvsadm."""
        if lines:
            must(["ipvsadm", "-R"], self.name, "\n".join(lines) + "\n")

    def setting(self, name, value):
        """Sets a sysctl of the module."""
        topology.set_sysctl(self.name, f"net/ipv4/vs/{name}", value)

    def sent(self):
        """Returns how many packets left through each dummy device."""
        with topology.inside(self.name), open("/proc/thread-self/net/dev") as file:
            rows = [line.split() for line in file]
        return {row[0].strip(":"): int(row[10]) for row in rows if row[0].startswith("out")}

    def replies(self):
        """Returns how many packets the module counts as answers of servers."""
        with topology.inside(self.name), open("/proc/thread-self/net/ip_vs_stats_percpu") as file:
            return int(file.readlines()[2].split()[3], 16)


def server(family, number):
    """Returns the address of a real server."""
    number += 11
    return f"10.2.{number >> 8}.{number & 255}" if family == 4 else f"fd02::{number:x}"

