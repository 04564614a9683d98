# SPDX-License-Identifier: GPL-2.0
"""Rules that choose among routing tables: replies leave by another uplink, a mark makes an address local."""
import packet
import serving
import topology
import wire
from cases import case
from packet import ACK, PSH, SYN
from serving import CLIENT, SERVER, VIP
from topology import IPV4, PLANS

UPLINK, GATEWAY = "10.3.0.1", "10.3.0.2"


def second_uplink(d):
    """Gives the director another way out, with a gateway."""
    d.netns("uplink")
    topology.families(["uplink"], ())
    topology.batch([f"link add eth2 address {topology.mac(UPLINK)} type veth peer name eth0 address {topology.mac(GATEWAY)} netns uplink",
                    "link set eth2 up", f"address add {UPLINK}/24 dev eth2", f"neigh replace {GATEWAY} lladdr {topology.mac(GATEWAY)} dev eth2 nud permanent"],
                   "director")
    topology.flag("uplink", "eth0", topology.UP | topology.NOARP)
    d.ends["uplink"] = wire.End("uplink", "eth0")


def quoted(letter):
    """Returns the start of an error's payload: what the server was sent."""
    if letter == "-t":
        return packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63)
    return packet.udp(CLIENT, 40000, SERVER, 8080, ttl=63)


def answers(d):
    """Has the server answer on its connections, and tell of errors about them."""
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("servers", packet.udp(SERVER, 8080, CLIENT, 40000, b"answer"))
    d.send("servers", packet.udp(SERVER, 8080, CLIENT, 40000, bytes(1400), frag=0x4000))
    for letter in ("-t", "-u"):
        d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, quoted(letter)))


@case(rows=("0", "1"))
def replies_are_routed_again(d, value):
    d.wires()
    second_uplink(d)
    d.sysctl("snat_reroute", value)
    serving.serve(d, server_port=8080)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    d.run(f"ip rule add from {VIP} lookup 77")
    # An empty table is passed over.
    answers(d)
    for route in (f"default via {GATEWAY} dev eth2", f"default via {GATEWAY} dev eth2 mtu lock 1000", f"default via {IPV4.clients[3]} dev eth0",
                  "unreachable default", "prohibit default", "blackhole default", "local default dev lo"):
        d.run(f"ip route replace {route} table 77")
        answers(d)
    d.run(f"ip rule del from {VIP} lookup 77")
    d.run(f"ip rule add from {SERVER} lookup 77")
    d.run(f"ip route replace default via {GATEWAY} dev eth2 table 77")
    answers(d)
    d.counts()


@case(rows=("0", "1"))
def replies_of_a_server_here_are_routed_again(d, value):
    d.wires()
    second_uplink(d)
    d.sysctl("snat_reroute", value)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.2.0.1:8080 -m")
    d.run(f"ip rule add from {VIP} lookup 77")
    d.run(f"ip route replace default via {GATEWAY} dev eth2 table 77")
    # Nothing listens: the reset is an answer.
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()


class Marked:
    """A service of a mark; the address that clients ask for is no one's, but for the mark it is this host's."""

    def __init__(self, d, row):
        family, method = row.split()
        self.d, self.plan = d, PLANS[family]
        plan, six = self.plan, family == "IPv6"
        d.wires(plan)
        self.client, self.vip = plan.clients[0], "fd05::1" if six else "198.51.100.1"
        words = ("ip -6" if six else "ip", "::/0" if six else "0.0.0.0/0", "ip6" if six else "ip")
        d.run(f"{words[0]} route add {self.vip}/{plan.host} via {plan.servers[7]} dev eth1")
        d.run(f"{words[0]} rule add fwmark 7 lookup 100")
        d.run(f"{words[0]} route add local {words[1]} dev lo table 100")
        d.rules(f"table {words[2]} t {{ chain c {{ type filter hook prerouting priority -150; {words[2]} daddr {self.vip} meta l4proto {{ tcp, udp }} "
                "meta mark set 7; }; }\n")
        self.server = plan.far if method == "local" else plan.servers[0]
        self.port = 8080 if method == "-m" else 80
        d.control(f"-A -f 7{' -6' * six} -s rr", f"-a -f 7{' -6' * six} -r {plan.end(self.server, 0)} {'-m' if method == 'local' else method}")

    def error(self, kind, code, data, **more):
        """Sends an error of the client about an answer, which is forwarded and not delivered."""
        self.d.send("client", packet.icmp(self.client, self.vip, kind, code, 0, data, **more))


@case(rows=tuple(f"{family} {method}" for family in PLANS for method in ("-m", "-g", "-i", "local")))
def address_that_only_a_mark_makes_local(d, row):
    marked = Marked(d, row)
    six, vip, client = marked.plan.family == 6, marked.vip, marked.client
    d.send("client", packet.tcp(client, 40000, vip, 80, SYN), "SYN")
    d.send("client", packet.udp(client, 40000, vip, 53, b"query"), "query")
    d.counts()
    if row.endswith("-m"):
        d.send("servers", packet.tcp(marked.server, 80, client, 40000, SYN | ACK, ack=1))
        d.send("servers", packet.udp(marked.server, 53, client, 40000, b"answer"))
        d.send("servers", packet.icmp(marked.server, client, *((1, 4) if six else (3, 3)), 0, packet.udp(client, 40000, marked.server, 53, b"query", ttl=63)))
    for kind, code in ((1, 4), (2, 0), (3, 0)) if six else ((3, 3), (3, 4), (11, 0), (5, 1)):
        marked.error(kind, code, packet.tcp(vip, 80, client, 40000, ACK | PSH, ack=1, data=b"page", ttl=60))
        marked.error(kind, code, packet.udp(vip, 53, client, 40000, b"answer", ttl=60))
    answer = packet.udp(vip, 53, client, 40000, b"answer", ttl=60)
    marked.error(*((1, 4) if six else (3, 3)), answer, ttl=1)
    marked.error(*((1, 4) if six else (3, 3)), packet.udp(vip, 54, client, 40000, b"answer", ttl=60))
    d.run("ip link set eth1 mtu 1280")
    marked.error(*((1, 4) if six else (3, 3)), answer + bytes(1300))
    d.counts()
