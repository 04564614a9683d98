# SPDX-License-Identifier: GPL-2.0
"""Each wanted difference of docs/differences.md, shown on rvs alone."""
import collections
import pathlib
import re

import packet
from cases import case
from packet import ACK, SYN
from queues import two_wait
from serving import CLIENT, SERVER, VIP
from topology import IPV4, IPV6


def opened(d, *plans):
    d.wires(*plans)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))


@case(only=("rvs",))
def counters_do_not_lag(d):
    opened(d)
    line = d.read("/proc/thread-self/net/ip_vs_stats").splitlines()[2]
    d.expect(f"one connection of one packet at once: {line.split()}", line.split()[:2] == ["1", "1"])


def cut_off(d):
    d.send("client", packet.ip(CLIENT, VIP, packet.TCP, b"abc"))


def no_server_takes_it(d):
    d.control(f"-e -t {VIP}:80 -r {SERVER}:8080 -m -w 0")
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def dropped_as_set(d):
    d.sysctl("am_droprate", 1)
    d.sysctl("drop_packet", 3)
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def server_removed(d):
    d.control(f"-d -t {VIP}:80 -r {SERVER}:8080")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, ack=1))


def no_way(d):
    d.control(f"-a -t {VIP}:80 -r 192.0.2.1:8080 -m")
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def forwarded_too_often(d):
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN, ttl=1))


def longer_than_the_way_out(d):
    d.run("ip link set eth1 mtu 1400")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, ack=1, data=bytes(1400), frag=0x4000))


def error_with_a_wrong_checksum(d):
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 1, 0, packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63), bad=1))


def as_many_as_allowed(d):
    d.sysctl("conn_max", 1)
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def without_a_call(d):
    d.control(f"-A -u {VIP}:5060 -s rr -p 100 --pe sip", f"-a -u {VIP}:5060 -r {SERVER}:5060 -m")
    d.send("client", packet.udp(CLIENT, 40000, VIP, 5060, b"hello"))


def tracked_still(d):
    d.rules("table ip t { chain c { type filter hook forward priority 0; ct state new counter; }; }\n")
    for name in ("conntrack", "expire_nodest_conn"):
        d.sysctl(name, 1)
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))
    d.control(f"-d -t {VIP}:80 -r {SERVER}:8080")
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def to_loopback(d):
    d.control("-A -t 10.9.0.2:80 -s rr", "-a -t 10.9.0.2:80 -r 127.0.0.1:8080 -m")
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 80, SYN))


def through_a_needle(d):
    d.run(f"ip route add {SERVER}/32 dev eth1 mtu 87")
    d.control("-A -t 10.9.0.2:80 -s rr", f"-a -t 10.9.0.2:80 -r {SERVER}:80 -i")
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 80, SYN))


def error_in_a_fragment(d):
    client, vip = IPV6.clients[0], IPV6.vips[0]
    d.control(f"-A -u [{vip}]:80 -s rr", f"-a -u [{vip}]:80 -r [{IPV6.servers[0]}]:80 -m")
    d.send("client", packet.udp(client, 40000, vip, 80))
    d.rules("table ip6 t { chain c { type filter hook prerouting priority -450; notrack; }; }\n")
    error = packet.icmp(client, vip, 1, 4, 0, packet.udp(vip, 80, client, 40000, ttl=60))
    d.send("client", packet.fragments(error, 1400)[0], "an error in its only fragment")


def of_no_connection(d):
    d.sysctl("nat_icmp_send", 1)
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 50000, ACK, ack=1))


def tracked_as_another(d):
    """Two packets of one connection wait before either is tracked for good; the second finds its place taken."""
    d.control("-A -t 10.9.0.2:80 -s rr", f"-a -t 10.9.0.2:80 -r {SERVER}:80 -i")
    two_wait(d, "10.9.0.2")


PROVOKED = (("truncated", cut_off), ("no_server", no_server_takes_it), ("drop_packet", dropped_as_set), ("no_connection", as_many_as_allowed),
            ("engine", without_a_call), ("server_gone", server_removed), ("tracked", tracked_still), ("no_route", no_way), ("boundary", to_loopback),
            ("time_to_live", forwarded_too_often), ("too_big", longer_than_the_way_out), ("narrow", through_a_needle), ("untrackable", tracked_as_another),
            ("malformed", error_in_a_fragment), ("checksum", error_with_a_wrong_checksum), ("stray", of_no_connection))


@case(only=("rvs",), rows=PROVOKED)
def every_drop_has_a_name(d, row):
    reason, provoke = row
    opened(d, *((IPV4, IPV6) if reason == "malformed" else ()))
    before = d.drops()
    provoke(d)
    after = d.drops()
    d.expect(f"one packet and its reason: {after - before}", after == before + collections.Counter({reason: 1}))
    if reason == "no_server":
        code, log = d.execute("dmesg")
        d.expect("no line in the log", code == 0 and "no destination available" not in log.rsplit("rvs-guest: case", 1)[-1])


@case(only=("rvs",))
def no_thread_estimates(d):
    opened(d)
    status = d.read("/proc/thread-self/net/ip_vs_status")
    d.expect("no thread slot is used", "Stats thread slots:\t0 (max 0)" in status)
    names = [path.read_text().strip() for path in pathlib.Path("/proc").glob("[0-9]*/comm")]
    d.expect("no such thread runs", not any(name.startswith("ipvs-e") for name in names))


@case(only=("rvs",))
def a_connection_by_nat_is_one_entry(d):
    opened(d)
    status = d.read("/proc/thread-self/net/ip_vs_status")
    lengths = re.findall(r"^Conn buckets len-(\d+):\t(\d+)", status, re.M)
    d.expect(f"one bucket with one entry: {lengths}", lengths == [("1", "1")])


@case(only=("rvs",))
def services_are_listed_in_the_order_of_addition(d):
    d.wires()
    d.control(*(f"-A -t 10.9.0.{host}:80 -s rr" for host in (7, 3, 9, 1, 5)))
    listed = re.findall(r"^TCP +0A0900(\w\w):0050", d.read("/proc/thread-self/net/ip_vs"), re.M)
    d.expect(f"7, 3, 9, 1, 5: {listed}", listed == ["07", "03", "09", "01", "05"])


def said(d):
    """Returns what the module has said in the kernel log since the case began."""
    log = d.execute("dmesg")[1].rsplit("rvs-guest: case", 1)[-1]
    return [line.split("rvs: ", 1)[1] for line in log.splitlines() if "rvs: " in line]


@case(only=("rvs",))
def the_log_says_why_a_command_is_refused(d):
    opened(d)
    # The limit is for all of the network's lines.
    d.quiet(6)
    # What is asked for and not there, or there already, is no mistake.
    for command in (f"-d -t {VIP}:80 -r 10.2.0.99:80", "-D -t 10.9.0.9:80", f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m"):
        d.ipvsadm(command)
    d.expect("no line", said(d) == [])
    for command in ("-A -t 10.9.0.2:80 -s nosuch", f"-a -t {VIP}:80 -r 224.0.0.1:80 -m", f"-a -t {VIP}:80 -r 10.2.0.12:80 -m -x 1 -y 2"):
        d.ipvsadm(command)
    reasons = ("There is no such scheduler.", "The server's address is neither local nor unicast here.", "The lower threshold is above the upper threshold.")
    d.expect(f"one line each: {said(d)}", said(d) == [f"a command is refused: {reason}" for reason in reasons])
    for _ in range(100):
        d.execute("ipvsadm -A -t 10.9.0.2:80 -s nosuch")
    d.expect("not one for each of a hundred", len(said(d)) < 50)
