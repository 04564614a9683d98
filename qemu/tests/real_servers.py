# SPDX-License-Identifier: GPL-2.0
"""docs/real-servers.md as typed: its commands on directors and real servers, with real clients; and the same without them.

All machines are on one link, which is where the virtual address is asked for. A real server is as new: it answers ARP for every
address it has, and filters by reverse path loosely, which Debian's packages set.
"""
import dataclasses
import pathlib
import re

import topology
from cases import case

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/real-servers.md"
# One link for all.
LINK4 = dataclasses.replace(topology.IPV4, near="192.0.2.1", far="192.0.2.2", vips=(),
                            clients=tuple(f"192.0.2.{number}" for number in range(101, 104)), servers=("192.0.2.11", "192.0.2.12"))
# The clients elsewhere.
APART4 = dataclasses.replace(LINK4, near="198.51.100.1", far="192.0.2.1", clients=("198.51.100.101", "198.51.100.102"))
LINK6 = dataclasses.replace(topology.IPV6, near="2001:db8::1", far="2001:db8::2", vips=(), servers=("2001:db8::11", "2001:db8::12"),
                            clients=tuple(f"2001:db8::{number}" for number in range(101, 104)))
# What the page says of nft of Debian 12, which is what guests for s390x have.
TARGET = ("icmpv6 taddr 2001:db8::80", "@th,64,128 0x20010db8000000000000000000000080")
BOTH = ["server1"] * 2 + ["server2"] * 2
VIP4, VIP6 = "192.0.2.80", "[2001:db8::80]"
NGINX = ("daemon off; master_process off; pid {home}/pid; error_log {home}/error.log; user root; events {{ worker_connections 64; }}\n"
         "http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;\n"
         "uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; client_max_body_size 0; keepalive_timeout 0;\n"
         "server {{ listen {listen}; return 200 \"{name}\\n\"; }} }}\n")


def sections():
    """Returns the blocks of commands of the page by the heading they are under."""
    if not DOCUMENT.exists():
        return {}
    found, heading = {}, ""
    for part in re.split(r"^(#+ [^\n]*\n|```sh\n.*?^```\n)", DOCUMENT.read_text(), flags=re.M | re.S):
        if part.startswith("#"):
            heading = part.strip("# \n")
        elif part.startswith("```"):
            found.setdefault(heading, []).append(part[len("```sh\n"):-len("```\n")])
    return found


PAGE = sections()


def follow(d, where, heading, number=0, *changes):
    """Runs a block of the page on a machine, with its own address where it is the second real server; returns the output.

    changes: (pattern, replacement) for what is to be otherwise than on the page.
    """
    block = PAGE[heading][number]
    for pattern, replacement in changes:
        block = re.sub(pattern, replacement, block, flags=re.M)
    if pathlib.Path("/etc/debian_version").read_text().startswith("12."):
        block = block.replace(*TARGET)
    if where == "server2":
        block = block.replace("192.0.2.11", "192.0.2.12").replace("2001:db8::11", "2001:db8::12")
    code, output = d.execute(["bash", "-ec", block], where)
    d.say(f"{where}# {heading}, block {number + 1}: exit {code}")
    d.expect(f"the commands work{': ' + output if code else ''}", code == 0)
    return output


def build(d, plan, servers=2, serve=True):
    """Builds machines as new, with a web server on each real server that answers with its name."""
    d.hosts(1, servers, plan, quiet=False)
    if plan.family == 6:
        for name in d.names[1:]:
            d.execute("sysctl -q net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.default.accept_dad=1", name)
    for number in range(1, servers + 1):
        name = f"server{number}"
        d.execute("sysctl -q net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.default.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2", name)
        if serve:
            serve_pages(d, name, "80" if plan.family == 4 else "[::]:80")


def serve_pages(d, name, listen):
    """Starts a web server on a machine that answers with the machine's name."""
    home = pathlib.Path(f"/tmp/{name}")
    home.mkdir(exist_ok=True)
    (home / "nginx.conf").write_text(NGINX.format(home=home, name=name, listen=listen))
    d.start(f"nginx -c {home}/nginx.conf", name)
    d.wait("nginx", lambda: ":80 " in d.execute("ss -Hltn", name)[1])


def request(d, address=VIP4, times=4, more=""):
    """Has the client ask for pages, with more options for curl; returns what served them, or `none`."""
    served = []
    for _ in range(times):
        code, output = d.execute(f"curl -s -g -m 3 {more} http://{address}/", "client1")
        served.append(output.strip() if code == 0 else "none")
    d.say(f"client1: {address} was served by {' '.join(served)}")
    return served


def hardware(d):
    """Returns the names of machines by the hardware address of their eth0."""
    return {re.search(r"link/ether (\S+)", d.execute("ip link show eth0", name)[1])[1]: name for name in d.names if name != "switch"}


def answering(d, client="client1", heading="DR: check"):
    """Follows the page's check from a client; returns the machines that answered for the virtual address."""
    names = hardware(d)
    output = follow(d, client, heading)
    found = sorted({names[address] for address in re.findall(r"(?:is-at |^)((?:\w\w:){5}\w\w)(?:,| > .*advertisement)", output, re.M)})
    d.say(f"{client}: the address is said to be at {' '.join(found) or 'none'}")
    return found


def serves(d, is_quiet):
    """Asks which machines answer for the address; where the servers are quiet, that is the director, and both serve."""
    machines = answering(d)
    if not is_quiet:
        d.expect("real servers answer for the address", machines == ["director", "server1", "server2"])
        return
    d.expect("the director alone answers for the address", machines == ["director"])
    d.expect("each server serves half", sorted(request(d)) == BOTH)
    d.expect("the address has stayed where it was", known(d) == "director")
    d.proc("ip_vs")


def known(d, client="client1", heading="DR: check"):
    """Returns the machine at which a client believes the virtual address."""
    found = re.search(r"lladdr (\S+)", follow(d, client, heading, 1))
    name = hardware(d)[found[1]] if found else "none"
    d.say(f"{client}: the address is believed to be at {name}")
    return name


# --- NAT ---

@case(rows=("the director", "another machine"))
def nat_answers_go_back_through(d, gateway):
    build(d, APART4)
    follow(d, "director", "NAT")
    for name in ("server1", "server2"):
        d.execute("ip route replace default via 192.0.2.200", name)
        # The other gateway hands on to the clients, which are on this link here, too.
        d.execute("ip route add 198.51.100.0/24 dev eth0", name)
        if gateway == "the director":
            d.execute("ip route del 198.51.100.0/24 dev eth0", name)
            follow(d, name, "NAT", 1)
    served = request(d)
    d.expect(f"answers by way of {gateway}", ("none" in served) == (gateway != "the director") and len(set(served)) <= 2)
    d.proc("ip_vs")


@case(rows=("as typed", "without"))
def nat_client_among_the_servers(d, way):
    build(d, LINK4)
    follow(d, "director", "NAT")
    d.execute("ip route replace 192.0.2.80 via 192.0.2.1", "client1")
    if way == "as typed":
        follow(d, "director", "NAT: clients in the network of the real servers", 1)
        for name in ("server1", "server2"):
            follow(d, name, "NAT: clients in the network of the real servers")
    served = request(d)
    d.expect("answers come from the virtual address" if way == "as typed" else "answers do not reach the client as such",
             sorted(served) == (BOTH if way == "as typed" else ["none"] * 4))
    d.proc("ip_vs")


# --- DR: the ARP problem ---

PLACES = ("address on lo", "address on a dummy device", "address on an unconnected device", "address on the connected device")
QUIET = ("not quiet", "quiet by settings", "quiet by nftables")


def give(d, name, place):
    """Gives a real server the second network card that a place for the address needs."""
    if "unconnected" in place:
        d.execute("ip link add eth1 type veth peer name nowhere", name)


def solved(place, quiet):
    """What the page says of a place for the address and a way to be quiet about it."""
    return quiet == "quiet by nftables" or (quiet == "quiet by settings" and place != "address on the connected device")


@case(rows=tuple((place, quiet) for place in PLACES for quiet in QUIET))
def dr(d, row):
    place, quiet = row
    build(d, LINK4)
    follow(d, "director", "DR")
    for name in ("server1", "server2"):
        give(d, name, place)
        if quiet in QUIET[1:]:
            follow(d, name, f"DR, step 1: {quiet}")
        follow(d, name, f"DR, step 2: {place}")
    serves(d, solved(place, quiet))


@case
def dr_past_the_director(d):
    """What it is like when the real servers answer and the director, slower, does not."""
    build(d, LINK4)
    follow(d, "director", "DR")
    d.rules("table arp slow { chain input { type filter hook input priority 0; arp daddr ip 192.0.2.80 drop; }; }")
    follow(d, "server1", "DR, step 2: address on a dummy device")
    follow(d, "server2", "DR, step 1: quiet by settings")
    follow(d, "server2", "DR, step 2: address on a dummy device")
    d.expect("one server serves all", set(request(d)) == {"server1"})
    d.expect("the address is at that server", known(d) == "server1")
    d.proc("ip_vs")


@case(rows=("arp_announce=0", "arp_announce=2"))
def dr_question_in_the_name_of_the_address(d, setting):
    build(d, LINK4, servers=1)
    follow(d, "director", "DR")
    d.ipvsadm(f"-d -t {VIP4}:80 -r 192.0.2.12")
    follow(d, "server1", "DR, step 1: quiet by settings")
    d.execute(f"sysctl -q net.ipv4.conf.all.{setting}", "server1")
    follow(d, "server1", "DR, step 2: address on lo")
    d.expect("the director alone answers for the address", answering(d) == ["director"])
    # The server has to ask for the client's hardware address to answer it.
    d.execute("ip neigh flush dev eth0", "server1")
    d.expect("the server serves", request(d, times=1) == ["server1"])
    where = "director" if setting == "arp_announce=2" else "server1"
    d.expect(f"the address is believed to be at {where}", known(d) == where)


@case
def dr_without_the_address(d):
    build(d, LINK4)
    follow(d, "director", "DR")
    d.expect("nothing serves before", request(d, times=1) == ["none"])
    d.ipvsadm("-Z")
    for name in ("server1", "server2"):
        follow(d, name, "DR without the address")
    d.expect("the director alone answers for the address", answering(d) == ["director"])
    d.expect("each server serves half", sorted(request(d)) == BOTH)
    d.proc("ip_vs")


# --- DR over IPv6: neighbour solicitation and duplicate addresses ---

CHECK6 = "DR over IPv6: check"


def director6(d, heading="DR over IPv6", *changes):
    """Follows the page on the director and waits until its address is known to be its own."""
    follow(d, "director", heading, 0, *changes)
    d.wait("the director's address", lambda: "tentative" not in d.execute("ip -6 address show dev eth0 to 2001:db8::80")[1])


def fails_detection(d, where):
    """Waits for the end of the detection of duplicates; returns whether the virtual address is one."""
    d.quiet(3)
    found = "dadfailed" in d.execute("ip -6 address show to 2001:db8::80", where)[1]
    d.say(f"{where}: the virtual address is {'' if found else 'not '}a duplicate")
    return found


@case(rows=PLACES[:3])
def dr6(d, place):
    build(d, LINK6)
    director6(d)
    for name in ("server1", "server2"):
        give(d, name, place)
        follow(d, name, f"DR over IPv6: {place}")
    d.expect("the director alone answers for the address", answering(d, heading=CHECK6) == ["director"])
    d.expect("each server serves half", sorted(request(d, address=VIP6)) == BOTH)
    d.expect("the address has stayed where it was", known(d, heading=CHECK6) == "director")
    d.proc("ip_vs")


@case(rows=("as typed", "without the rules", "with detection"))
def dr6_on_the_connected_device(d, way):
    build(d, LINK6)
    director6(d)
    for name in ("server1", "server2"):
        if way == "as typed":
            follow(d, name, "DR over IPv6: address on the connected device")
        if way == "with detection":
            d.run("ip address add 2001:db8::80/128 dev eth0", name)
            d.expect("a duplicate is found", fails_detection(d, name))
        else:
            follow(d, name, "DR over IPv6: address on the connected device", 1)
    alone = answering(d, heading=CHECK6) == ["director"]
    d.expect("the director alone answers" if way != "without the rules" else "real servers answer", alone == (way != "without the rules"))
    if alone:
        # The servers have to ask for the client's hardware address to answer it.
        for name in ("server1", "server2"):
            d.execute("ip neigh flush dev eth0", name)
        served = sorted(request(d, address=VIP6))
        d.expect("each server serves half" if way == "as typed" else "no server serves", served == (BOTH if way == "as typed" else ["none"] * 4))
        d.expect("the address has stayed where it was", known(d, heading=CHECK6) == "director")


@case
def dr6_the_director_comes_second(d):
    build(d, LINK6, servers=1)
    follow(d, "server1", "DR over IPv6: address on the connected device", 1)
    d.quiet(1)
    follow(d, "director", "DR over IPv6")
    d.expect("a duplicate is found", fails_detection(d, "director"))
    d.expect("the server serves past the director", request(d, address=VIP6, times=2) == ["server1"] * 2)
    d.proc("ip_vs")


@case
def dr6_without_the_address(d):
    build(d, LINK6)
    director6(d)
    for name in ("server1", "server2"):
        follow(d, name, "DR over IPv6 without the address")
    d.expect("the director alone answers for the address", answering(d, heading=CHECK6) == ["director"])
    d.expect("each server serves half", sorted(request(d, address=VIP6)) == BOTH)
    d.proc("ip_vs")


# --- tunnels: unpacked by the kernel's own devices ---

IPIP, TUNNEL_PLACE = "Tunnels: IPIP", "Tunnels, step 2: address on the tunnel device"


def tunnels(d, kind, quiet, place=TUNNEL_PLACE):
    """Follows the page for a kind of tunnel, everywhere."""
    build(d, LINK4)
    follow(d, "director", "Tunnels")
    if kind != IPIP:
        follow(d, "director", kind)
    for name in ("server1", "server2"):
        follow(d, name, kind, 0 if kind == IPIP else 1)
        if quiet in QUIET[1:]:
            follow(d, name, f"DR, step 1: {quiet}")
        give(d, name, place)
        if place != TUNNEL_PLACE:
            # A device without any address is no way back that a filter takes.
            d.execute("sysctl -q net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunnel.rp_filter=0", name)
        follow(d, name, place)


@case(rows=((IPIP, "not quiet"), (IPIP, "quiet by settings"), (IPIP, "quiet by nftables"), ("Tunnels: GUE", "quiet by settings"),
            ("Tunnels: GRE", "quiet by nftables"),
            *((IPIP, "quiet by settings", f"DR, step 2: {place}") for place in PLACES[:3]),
            (IPIP, "quiet by nftables", f"DR, step 2: {PLACES[3]}"), (IPIP, "quiet by settings", f"DR, step 2: {PLACES[3]}")))
def tunnel(d, row):
    tunnels(d, *row)
    serves(d, solved(row[2].partition(": ")[2] if row[2:] else TUNNEL_PLACE, row[1]))


WAYS_BACK = {"strict": ("all.rp_filter=1", TUNNEL_PLACE, "none"), "loose": ("all.rp_filter=2", TUNNEL_PLACE, "server1"),
             "loose, no address": ("all.rp_filter=2", "DR, step 2: address on lo", "none"),
             "off, no address": ("all.rp_filter=0", "DR, step 2: address on lo", "server1")}


@case(rows=tuple(WAYS_BACK))
def tunnel_and_the_way_back(d, way):
    """What comes out of a tunnel does not go back there: filters by reverse path."""
    setting, place, served = WAYS_BACK[way]
    build(d, LINK4, servers=1)
    follow(d, "director", "Tunnels")
    d.ipvsadm(f"-d -t {VIP4}:80 -r 192.0.2.12")
    follow(d, "server1", IPIP, 0, ("tunnel.rp_filter=2", f"tunnel.rp_filter={setting[-1]}"))
    follow(d, "server1", "DR, step 1: quiet by settings")
    follow(d, "server1", place)
    d.execute(f"sysctl -q net.ipv4.conf.{setting}", "server1")
    d.expect(f"what is served: {served}", request(d, times=1) == [served])


@case(rows=("as typed", "without"))
def tunnel_and_long_requests(d, way):
    """A firewall eats what tells clients of smaller packets."""
    tunnels(d, IPIP, "quiet by settings")
    d.rules("table ip deaf { chain output { type filter hook output priority 0; icmp type destination-unreachable counter drop; }; }")
    for name in ("server1", "server2") if way == "as typed" else ():
        follow(d, name, "Tunnels: clients that do not hear of smaller packets")
    d.expect("short requests are served", sorted(request(d, times=2)) == ["server1", "server2"])
    served = request(d, times=2, more=f"-H Long:{'x' * 6000}")
    d.expect("long requests are served" if way == "as typed" else "long requests hang",
             sorted(served) == (["server1", "server2"] if way == "as typed" else ["none"] * 2))


@case(rows=("as typed", "virtual address as source"))
def tunnel6(d, way):
    build(d, LINK6)
    director6(d, "Tunnels over IPv6", ("", "") if way == "as typed" else (" preferred_lft 0", ""))
    for name in ("server1", "server2"):
        follow(d, name, "Tunnels over IPv6", 1)
    d.expect("the director alone answers for the address", answering(d, heading=CHECK6) == ["director"])
    if way != "as typed":
        d.expect("nothing is served", request(d, address=VIP6, times=1) == ["none"])
        return
    d.expect("each server serves half", sorted(request(d, address=VIP6)) == BOTH)
    served = request(d, address=VIP6, times=2, more=f"-H Long:{'x' * 6000}")
    d.expect("long requests are served", sorted(served) == ["server1", "server2"])
    d.proc("ip_vs")


@case(rows=(*PLACES, "with detection"))
def tunnel6_elsewhere(d, place):
    build(d, LINK6)
    director6(d, "Tunnels over IPv6")
    for name in ("server1", "server2"):
        follow(d, name, "Tunnels over IPv6", 1, (r"^ip address add.*$", ""))
        give(d, name, place)
        if place == "with detection":
            d.run("ip address add 2001:db8::80/128 dev eth0", name)
            d.expect("a duplicate is found", fails_detection(d, name))
        else:
            for block in range(2 if place == PLACES[3] else 1):
                follow(d, name, f"DR over IPv6: {place}", block)
    d.expect("the director alone answers for the address", answering(d, heading=CHECK6) == ["director"])
    served = sorted(request(d, address=VIP6))
    d.expect("each server serves half, or none", served == (["none"] * 4 if place == "with detection" else BOTH))
    d.proc("ip_vs")


# --- after a reboot ---

@case
def kept_over_a_reboot(d):
    """The unit as written by the page runs the page's commands."""
    build(d, LINK4)
    follow(d, "director", "DR")
    script = pathlib.Path("/usr/local/sbin/real-server")
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("#!/bin/sh -e\n" + PAGE["DR, step 1: quiet by settings"][0] + PAGE["DR, step 2: address on a dummy device"][0])
    pathlib.Path("/etc/systemd/system").mkdir(parents=True, exist_ok=True)
    follow(d, "server1", "To keep it over a reboot", 0, (r"^.*systemctl.*\n", ""))
    unit = pathlib.Path("/etc/systemd/system/real-server.service").read_text()
    for name in ("server1", "server2"):
        d.run(re.search(r"^ExecStart=(.*)$", unit, re.M)[1], name)
    d.expect("the director alone answers for the address", answering(d) == ["director"])
    d.expect("each server serves half", sorted(request(d)) == BOTH)
