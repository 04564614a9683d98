# SPDX-License-Identifier: GPL-2.0
"""Services and servers of IPv6: requests, listings, marks of both families, every scheduler, persistence, tracking."""
import re

import genl
import packet
import topology
from cases import case
from genl import address, dest, port, service, u16, u32
from ipv6_packets import CLIENT, METHODS, SERVER, VIP, start
from packet import ACK, FIN, PSH, SYN
from topology import IPV4, IPV6

SIX = dict(AF=u16(10), ADDR=address(VIP), NETMASK=u32(128))
SIX_DEST = dict(ADDR=address(SERVER), PORT=port(8080))
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh")


# --- requests ---

REQUESTS = {
    "as it should be": SIX,
    "prefix 0": {**SIX, "NETMASK": u32(0)},
    "prefix 1": {**SIX, "NETMASK": u32(1)},
    "prefix 64": {**SIX, "NETMASK": u32(64)},
    "prefix 129": {**SIX, "NETMASK": u32(129)},
    "prefix 0xffffffff": {**SIX, "NETMASK": u32(0xFFFFFFFF)},
    "an address of 4 bytes": {**SIX, "ADDR": address("10.9.0.1")},
    "the unspecified address": {**SIX, "ADDR": address("::")},
    "a group": {**SIX, "ADDR": address("ff02::1")},
    "an address of IPv4 in IPv6": {**SIX, "ADDR": address("::ffff:10.9.0.1")},
    "mark 7": {**SIX, "FWMARK": u32(7)},
    "mark 0": {**SIX, "FWMARK": u32(0)},
    "unknown scheduler before the prefix": {**SIX, "NETMASK": u32(0), "SCHED_NAME": b"xyz\0"},
}


@case(rows=tuple(REQUESTS))
def new_service(d, row):
    d.bare()
    d.request(row, genl.NEW_SERVICE, service(**REQUESTS[row]))
    d.request("what is there now", genl.GET_SERVICE, dump=True)
    d.request("by its key", genl.GET_SERVICE, service(**REQUESTS[row]))
    d.request("edited", genl.SET_SERVICE, service(**{**REQUESTS[row], "SCHED_NAME": b"wlc\0"}))
    d.request("with another prefix", genl.SET_SERVICE, service(**{**REQUESTS[row], "NETMASK": u32(200)}))
    d.request("deleted", genl.DEL_SERVICE, service(**REQUESTS[row]))
    d.proc("ip_vs")


DESTS = {
    "as it should be": SIX_DEST,
    "with its family": {**SIX_DEST, "ADDR_FAMILY": u16(10)},
    "family 5": {**SIX_DEST, "ADDR_FAMILY": u16(5)},
    "of IPv4 by NAT": {"ADDR_FAMILY": u16(2)},
    "of IPv4 by DR": {"ADDR_FAMILY": u16(2), "FWD_METHOD": u32(3)},
    "a group": {**SIX_DEST, "ADDR": address("ff02::1")},
    "by method 1": {**SIX_DEST, "FWD_METHOD": u32(1)},
    "by method 5": {**SIX_DEST, "FWD_METHOD": u32(5)},
}


@case(rows=tuple(DESTS))
def new_dest(d, row):
    d.bare()
    d.request("a service", genl.NEW_SERVICE, service(**SIX))
    d.request(row, genl.NEW_DEST, service(**SIX), dest(**DESTS[row]))
    d.request("again", genl.NEW_DEST, service(**SIX), dest(**DESTS[row]))
    d.request("edited", genl.SET_DEST, service(**SIX), dest(**{**DESTS[row], "WEIGHT": u32(9)}))
    d.request("what is there now", genl.GET_DEST, service(**SIX), dump=True)
    d.request("deleted", genl.DEL_DEST, service(**SIX), dest(**DESTS[row]))


@case
def servers_of_ipv6_for_a_service_of_ipv4(d):
    d.bare()
    d.request("a service", genl.NEW_SERVICE, service())
    for method in (0, 1, 3, 5):
        d.request(f"by method {method}", genl.NEW_DEST, service(), dest(**SIX_DEST, ADDR_FAMILY=u16(10), FWD_METHOD=u32(method)))
    d.request("what is there now", genl.GET_DEST, service(), dump=True)


@case
def addresses_of_servers(d):
    d.wires(IPV6)
    d.ipvsadm(f"-A -t [{VIP}]:80 -s rr")
    d.run("ip address add fe80::77/64 dev eth1 nodad")
    d.run("ip route add unreachable 2001:db8:1::/48")
    d.run("ip route add local 2001:db8:2::/48 dev lo")
    for server in ("::1", "::", "fe80::1", "fe80::77", "ff02::1", "2001:db8::1", "2001:db8:1::1", "2001:db8:2::1", "fec0::1", "::10.0.0.1",
                   "::ffff:10.0.0.1", VIP, "ff0e::1"):
        d.ipvsadm(f"-a -t [{VIP}]:80 -r [{server}]:80 -m")
    d.ipvsadm("-Ln")


# --- listings ---

@case(rows=("-L", "-Ln", "-Ln --stats", "-Ln --rate", "-Ln --stats --exact", "-Ln --rate --exact", "-Ln --thresholds", "-Ln --persistent-conn",
            "-Lnc", "-Ln --sort", "-S", "-Sn", f"-Ln -t [{VIP}]:80", "-Ln -f 7", "-Ln -f 7 -6", "-Z", f"-Z -t [{VIP}]:80"))
def listing(d, arguments):
    d.wires(IPV6, IPV4)
    d.control(f"-A -t [{VIP}]:80 -s wrr", f"-a -t [{VIP}]:80 -r [{SERVER}]:8080 -m -w 3 -x 9 -y 5", f"-a -t [{VIP}]:80 -r [{VIP}]:80 -g",
              "-A -u 10.9.0.1:53 -s rr", "-a -u 10.9.0.1:53 -r 10.2.0.11:53 -m", "-A -f 7 -s lc", "-A -f 7 -6 -s rr",
              f"-A -f 8 -6 -s wlc -p 90 -M 64", f"-a -f 8 -6 -r [{SERVER}] -g")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))
    d.quiet(6)
    d.ipvsadm(arguments)


@case(rows=("ip_vs", "ip_vs_conn", "ip_vs_stats", "ip_vs_status"))
def file(d, name):
    start(d)
    d.control("-A -f 255 -6 -s rr", f"-a -f 255 -6 -r [{SERVER}]:0 -g", f"-A -t [2001:db8:1:2:3:4:5:6]:65535 -s lc")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    if name == "ip_vs_stats":
        d.quiet(60)
    d.proc(name)


@case
def save_and_restore_give_the_same_table(d):
    start(d)
    saved = d.ipvsadm("-Sn")
    d.ipvsadm("-C")
    d.ipvsadm("-R", stdin=saved)
    d.expect("the same after restoring", d.ipvsadm("-Sn") == saved)


# --- both families ---

@case
def families_are_served_apart(d):
    """The last service of one family goes, and the other's are served on."""
    d.wires(IPV4, IPV6)
    for plan in (IPV4, IPV6):
        d.control(f"-A -t {plan.end(plan.vips[0], 80)} -s rr", f"-a -t {plan.end(plan.vips[0], 80)} -r {plan.end(plan.servers[0], 80)} -m")

    def ask(sport):
        for plan in (IPV4, IPV6):
            d.send("client", packet.tcp(plan.clients[0], sport, plan.vips[0], 80, SYN))

    ask(40000)
    d.ipvsadm(f"-D -t [{VIP}]:80")
    ask(40001)
    d.control(f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{SERVER}]:80 -m", "-D -t 10.9.0.1:80")
    ask(40002)
    d.ipvsadm("-C")
    ask(40003)
    d.counts()


@case(rows=METHODS)
def marks_of_both_families(d, method):
    """One mark names two services, one of each family."""
    d.wires(IPV4, IPV6)
    d.rules("table inet t { chain c { type filter hook prerouting priority -150; fib daddr type local meta mark set 7; }; }\n")
    d.control("-A -f 7 -s rr", f"-a -f 7 -r 10.2.0.11:0 {method}", "-A -f 7 -6 -s rr", f"-a -f 7 -6 -r [{SERVER}]:0 {method}",
              f"-a -f 7 -6 -r [{IPV6.servers[1]}]:0 {method}", f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{IPV6.servers[2]}]:80 -m")
    for plan in (IPV4, IPV6):
        client, vip, server = plan.clients[0], plan.vips[0], plan.servers[0]
        d.send("client", packet.tcp(client, 40000, vip, 80, SYN))
        d.send("client", packet.tcp(client, 40000, plan.vips[1], 443, SYN))
        d.send("client", packet.udp(client, 40000, vip, 53))
        d.send("servers", packet.udp(server, 53, client, 40000, b"answer"))
    d.ipvsadm("-D -f 7")
    for plan in (IPV4, IPV6):
        d.send("client", packet.tcp(plan.clients[0], 40001, plan.vips[0], 80, SYN))
    d.counts()
    d.ipvsadm("-Lnc")


@case
def service_of_any_port(d):
    d.wires(IPV6)
    d.control(f"-A -t [{VIP}]:0 -s rr", f"-a -t [{VIP}]:0 -r [{SERVER}]:0 -m", f"-A -t [{IPV6.vips[1]}]:0 -s rr -p 90",
              f"-a -t [{IPV6.vips[1]}]:0 -r [{SERVER}]:0 -m")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 8000, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, IPV6.vips[1], 8000, SYN))
    d.counts()


# --- schedulers ---

def picks(d, packets):
    """Sends packets and writes down which server got each."""
    names = {topology.mac(server): server[-1] for server in IPV6.servers}
    chosen = []
    for data in packets:
        d.ends["client"].send(topology.mac(IPV6.near), topology.mac(CLIENT), data)
        found = d.ends["servers"].received() or ["to -"]
        chosen.append("".join(names.get(line.split()[1], "-") for line in found))
        d.ends["client"].received()
    d.say(" ".join(chosen))
    return chosen


@case(rows=SCHEDULERS)
def scheduler(d, name):
    """Decisions by every scheduler: from one client, from several, to several addresses, with weights that change."""
    d.wires(IPV6)
    d.rules("table ip6 t { chain c { type filter hook prerouting priority -150; ip6 daddr fd09::/64 meta mark set 7; }; }\n")
    flags = {"sh": "-b sh-port", "mh": "-b mh-port"}.get(name, "")
    for vip, more in ((VIP, ""), (IPV6.vips[1], flags)):
        d.ipvsadm(f"-A -u [{vip}]:80 -s {name} {more}")
        for number, weight in enumerate((1, 3, 2)):
            d.ipvsadm(f"-a -u [{vip}]:80 -r [{IPV6.servers[number]}]:80 -g -w {weight}")
    d.control(f"-A -f 7 -6 -s {name}", *(f"-a -f 7 -6 -r [{server}]:0 -g -w 2" for server in IPV6.servers[3:6]))
    for vip in IPV6.vips[:2]:
        chosen = picks(d, [packet.tcp(client, 40000 + number, vip, 81, SYN) for client in IPV6.clients for number in range(4)])
        chosen += picks(d, [packet.udp(client, 40000 + number, vip, 80) for client in IPV6.clients for number in range(4)])
        # A server of ovf takes as many connections as its weight says.
        d.expect("all find a server", name == "ovf" or "-" not in chosen)
    d.ipvsadm(f"-e -u [{VIP}]:80 -r [{IPV6.servers[1]}]:80 -g -w 0")
    picks(d, [packet.udp(client, 41000 + number, VIP, 80) for client in IPV6.clients for number in range(4)])
    d.ipvsadm(f"-d -u [{VIP}]:80 -r [{IPV6.servers[0]}]:80")
    picks(d, [packet.udp(client, 42000 + number, VIP, 80) for client in IPV6.clients for number in range(4)])
    d.counts()


@case
def twos(d):
    """Its decisions are drawn; both servers are chosen, and a weight of 0 is not."""
    d.wires(IPV6)
    d.ipvsadm(f"-A -u [{VIP}]:80 -s twos")
    for server, weight in zip(IPV6.servers, (1, 1, 0)):
        d.ipvsadm(f"-a -u [{VIP}]:80 -r [{server}]:80 -g -w {weight}")
    before = len(d.lines)
    chosen = picks(d, [packet.udp(client, 40000 + number, VIP, 80) for client in IPV6.clients for number in range(20)])
    del d.lines[before:]
    d.expect("both servers and no other", set(chosen) == {"1", "2"})


# --- persistence ---

@case(rows=("128", "127", "64", "126", "1"))
def prefix_groups_clients(d, prefix):
    d.wires(IPV6)
    d.ipvsadm(f"-A -u [{VIP}]:80 -s rr -p 60 -M {prefix}")
    for server in IPV6.servers[:3]:
        d.ipvsadm(f"-a -u [{VIP}]:80 -r [{server}]:80 -g")
    picks(d, [packet.udp(client, sport, VIP, 80) for client in IPV6.clients for sport in (40000, 40001)])
    d.counts()
    d.ipvsadm("-Ln")


# --- connection tracking ---

# What the director says unasked goes to groups.
RULES = "".join(f"table ip6 t {{ chain {hook} {{ type filter hook {hook} priority 0; ip6 daddr fd00::/8 "
                "ct state { new, established, related, untracked, invalid } counter accept; }; }\n"
                for hook in ("forward", "postrouting", "input"))


def tracked(d):
    """Writes down what is tracked."""
    lines = [re.sub(r"(tcp|udp|icmpv6)( +\d+) \d+ ", r"\1\2 T ", line) for line in d.execute("conntrack -L -f ipv6")[1].splitlines()]
    d.lines += ["conntrack:"] + sorted("  " + re.sub(r" use=\d+", "", line) for line in lines if "conntrack v" not in line)


@case(rows=tuple(f"{method}, conntrack {value}" for method in METHODS for value in (0, 1)))
def tracking(d, row):
    method, value = row.split(", conntrack ")
    start(d, method)
    d.rules(RULES)
    d.sysctl("conntrack", value)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=1000))
    tracked(d)
    if method == "-m":
        d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, seq=5000, ack=1001))
        d.send("servers", packet.icmp(SERVER, CLIENT, 1, 4, 0, packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63)))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, seq=1001, ack=5001, data=b"data"))
    tracked(d)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80))
    d.send("client", packet.icmp(CLIENT, VIP, 1, 4, 0, packet.udp(VIP, 80, CLIENT, 1053, b"answer")))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, FIN | ACK, seq=1005, ack=5001))
    tracked(d)
    d.run("nft list ruleset")
    d.counts()


@case
def source_translation_of_what_goes_to_servers(d):
    start(d)
    d.sysctl("conntrack", 1)
    d.rules("table ip6 t { chain c { type nat hook postrouting priority 100; ip6 daddr fd02::/64 counter snat to fd02::1; }; }\n")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=1000))
    d.send("servers", packet.tcp(SERVER, 8080, IPV6.far, 40000, SYN | ACK, seq=5000, ack=1001))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=1001, ack=5001))
    tracked(d)
    d.run("nft list ruleset")
    d.counts()


@case(rows=("0", "1"))
def connection_ends_with_its_time(d, value):
    start(d)
    d.rules(RULES)
    d.sysctl("conntrack", value)
    d.ipvsadm("--set 0 0 5")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    tracked(d)
    d.quiet(10)
    d.counts("after its time")
    tracked(d)
