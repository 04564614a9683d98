# SPDX-License-Identifier: GPL-2.0
"""Docker Swarm and kube-proxy as a script of what they send: netlink messages, sysctls, sets, rules; with traffic.

From github.com/moby/moby (daemon/libnetwork/service_linux.go, osl/namespace_linux.go, vendor/github.com/moby/ipvs), commit b985e231,
and github.com/kubernetes/kubernetes (pkg/proxy/ipvs/proxier.go, ipset.go, README.md, util/ipvs_linux.go).
"""
import struct

import genl
import topology
from cases import case
from genl import address, u16, u32
from real_servers import serve_pages
from serving import OTHER_SERVER, OTHER_VIP, SERVER, VIP
from topology import IPV4

NODE, OUTSIDE, SUBNET, SERVERS = IPV4.far, IPV4.near, IPV4.far_network, (SERVER, OTHER_SERVER)
MASQUERADE, DIRECT, PERSISTENT = 0, 3, 1


# --- messages as moby/ipvs writes them, which both use ---

def service(scheduler, mark=0, **of):
    """Returns a service: a mark, or an address of TCP; fields in the library's order, none left out."""
    of = {"vip": VIP, "number": 80, "flags": 0, "timeout": 0, "netmask": 0, **of}
    key = dict(FWMARK=u32(mark)) if mark else dict(PROTOCOL=u16(6), ADDR=address(of["vip"]), PORT=genl.port(of["number"]))
    return genl.nest("SERVICE", AF=u16(2), **key, SCHED_NAME=scheduler.encode() + b"\0", FLAGS=struct.pack("=II", of["flags"], 0xFFFFFFFF),
                     TIMEOUT=u32(of["timeout"]), NETMASK=u32(of["netmask"]))


def server(where, method=MASQUERADE, weight=1, number=0):
    """Returns a destination; the library names no family."""
    return genl.dest(ADDR=address(where), PORT=genl.port(number), FWD_METHOD=u32(method), WEIGHT=u32(weight))


def ask(d, where, client="client1", times=4):
    """Has a machine ask for pages; writes down what served them."""
    served = sorted(d.execute(f"curl -s -m 3 http://{where}/", client)[1].strip() or "none" for _ in range(times))
    d.say(f"{client}: {where} was served by {' '.join(served)}")
    return served


def rules(d, *lines, where="director"):
    """Gives rules to iptables one by one."""
    for line in lines:
        d.run(f"iptables {line}", where)


BOTH = ["server1"] * 2 + ["server2"] * 2


# --- Docker Swarm ---

def task(d, number, published, target):
    """Plays the sandbox of a task: the published port leads to its own, and nothing else gets in."""
    name, own = f"server{number}", SERVERS[number - 1]
    serve_pages(d, name, str(target))
    rules(d, f"-t nat -A PREROUTING -d {own} -p tcp --dport {published} -j REDIRECT --to-port {target}",
          f"-I INPUT -d {own} -p tcp --dport {target} -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
          f"-I OUTPUT -s {own} -p tcp --sport {target} -m conntrack --ctstate ESTABLISHED -j ACCEPT", where=name)
    for protocol in ("sctp", "udp", "tcp"):
        rules(d, f"-A INPUT -d {own} -p {protocol} -j DROP", f"-A OUTPUT -s {own} -p {protocol} -j DROP", where=name)


def tweaks(d):
    """What is set in a sandbox once there is IPVS in it."""
    for name, value in (("conn_reuse_mode", 0), ("expire_nodest_conn", 1), ("expire_quiescent_template", 1)):
        d.sysctl(name, value)


def add_backend(d, mark, where, method):
    """Adds a task: the library asks first, and takes an existing service for good."""
    present = d.request("is it there", genl.GET_SERVICE, service("rr", mark), handler=False, show=False).error == 0
    if not present:
        d.request("service", genl.NEW_SERVICE, service("rr", mark))
    d.request("task", genl.NEW_DEST, service("", mark), server(where, method))
    tweaks(d)


@case
def swarm_ingress(d):
    """A published port: marked where it comes in, sent to tasks, in the name of the sandbox; tasks come and go."""
    d.hosts(1, 2)
    for number in (1, 2):
        task(d, number, 8080, 80)
        # Answers find their way because the sandbox asks in its own name.
        d.execute("ip route del default", f"server{number}")
    d.request("is it there", genl.GET_SERVICE, service("rr", 256), handler=False)
    rules(d, "-t nat -C POSTROUTING -m ipvs --ipvs -d 10.2.0.0/24 -j SNAT --to-source 10.2.0.1")
    d.sysctl("conntrack", 1)
    rules(d, "-t mangle -A PREROUTING -p tcp --dport 8080 -j MARK --set-mark 256",
          f"-t nat -A POSTROUTING -m ipvs --ipvs -d {SUBNET} -j SNAT --to-source {NODE}",
          f"-t mangle -A INPUT -d {VIP}/32 -j MARK --set-mark 256")
    for where in SERVERS:
        add_backend(d, 256, where, MASQUERADE)
    d.expect("both serve", ask(d, f"{OUTSIDE}:8080") == BOTH)
    d.request("a task is going", genl.SET_DEST, service("", 256), server(SERVERS[1], weight=0))
    d.expect("the other serves", ask(d, f"{OUTSIDE}:8080") == ["server1"] * 4)
    d.request("it is gone", genl.DEL_DEST, service("", 256), server(SERVERS[1]))
    d.request("twice", genl.DEL_DEST, service("", 256), server(SERVERS[1]))
    add_backend(d, 256, SERVERS[1], MASQUERADE)
    d.expect("both serve", ask(d, f"{OUTSIDE}:8080") == BOTH)
    d.proc("ip_vs")
    d.request("servers", genl.GET_DEST, service("", 256), dump=True, show=False)
    d.request("service is gone", genl.DEL_SERVICE, service("rr", 256))
    rules(d, "-t mangle -D PREROUTING -p tcp --dport 8080 -j MARK --set-mark 256", f"-t mangle -D INPUT -d {VIP}/32 -j MARK --set-mark 256")
    d.request("all", genl.GET_SERVICE, genl.attribute(1, b""), dump=True)


@case(rows=("NAT", "DSR"))
def swarm_virtual_address(d, mode):
    """A network's load balancer: another task asks for the virtual address, which is marked on its way in."""
    d.hosts(1, 2)
    method = DIRECT if mode == "DSR" else MASQUERADE
    for number in (1, 2):
        serve_pages(d, f"server{number}", "80")
        if mode == "DSR":
            # Answers go past the director, to a client on the same link.
            topology.batch([f"address add {VIP}/32 dev lo", "route add 10.1.0.0/24 dev eth0"], f"server{number}")
    if mode == "NAT":
        d.sysctl("conntrack", 1)
        rules(d, f"-t nat -A POSTROUTING -m ipvs --ipvs -d {SUBNET} -j SNAT --to-source {NODE}")
    rules(d, f"-t mangle -A INPUT -d {VIP}/32 -j MARK --set-mark 257")
    for where in SERVERS:
        add_backend(d, 257, where, method)
    d.expect("both serve", ask(d, f"{VIP}:80") == BOTH)
    d.proc("ip_vs")


# --- kube-proxy ---

SETS = (("KUBE-CLUSTER-IP", "hash:ip,port family inet hashsize 1024 maxelem 65536"), ("KUBE-NODE-PORT-TCP", "bitmap:port range 0-65535"),
        ("KUBE-LOOP-BACK", "hash:ip,port,ip family inet hashsize 1024 maxelem 65536"),
        ("KUBE-IPVS-IPS", "hash:ip family inet hashsize 1024 maxelem 65536"))
CHAINS = f"""*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN
-A KUBE-SERVICES ! -s {SUBNET} -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-NODE-PORT -p tcp -m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ
-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-IPVS-FILTER - [0:0]
-A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m mark --mark 0x00004000/0x00004000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT
COMMIT
"""


def node(d):
    """Plays the start of kube-proxy: settings, its device, sets and chains."""
    topology.set_sysctls("director", [("ipv4/conf/all/route_localnet", 1), ("ipv4/conf/all/arp_ignore", 1), ("ipv4/conf/all/arp_announce", 2)])
    d.sysctl("conntrack", 1)
    tweaks(d)
    d.run("ip link add kube-ipvs0 type dummy")
    for name, kind in SETS:
        d.run(f"ipset create {name} {kind} -exist")
    d.run("iptables-restore --noflush --counters", stdin=CHAINS)


def cluster_address(d, vip, number, **persistent):
    """Plays a service: its address on the device, its entries in the sets, the virtual server and the endpoints."""
    d.run(f"ipset add KUBE-CLUSTER-IP {vip},tcp:{number} -exist")
    d.run(f"ipset add KUBE-IPVS-IPS {vip} -exist")
    d.execute(f"ip address add {vip}/32 dev kube-ipvs0")
    one = dict(vip=vip, number=number, netmask=0xFFFFFFFF, **persistent)
    d.request("is it there", genl.GET_SERVICE, service("rr", **one), handler=False)
    d.request("virtual server", genl.NEW_SERVICE, service("rr", **one))
    for where in SERVERS:
        d.run(f"ipset add KUBE-LOOP-BACK {where},tcp:80,{where} -exist")
        d.request("endpoint", genl.NEW_DEST, service("rr", **one), server(where, number=80))
    return one


@case
def kube_proxy_asks_whether_there_is_ipvs(d):
    """A service for no use, which a list has to show: all of them, with an empty key and the acknowledgement that the library asks for."""
    d.bare()
    one = dict(vip="203.0.113.200", number=20000)
    d.request("for no use", genl.NEW_SERVICE, service("rr", **one))
    d.request("all", genl.GET_SERVICE, genl.attribute(1, b""), flags=genl.F_DUMP | genl.F_ACK)
    d.request("it is gone", genl.DEL_SERVICE, service("rr", **one))
    d.request("all", genl.GET_SERVICE, genl.attribute(1, b""), flags=genl.F_DUMP | genl.F_ACK)


@case
def kube_proxy_node(d):
    """Cluster addresses from outside, from the node and from pods, which may meet themselves; a node port; endpoints that end."""
    d.hosts(1, 2)
    for number in (1, 2):
        serve_pages(d, f"server{number}", "80")
        # A pod reaches others by way of its node.
        topology.batch([f"route del {SUBNET} dev eth0"], f"server{number}")
    d.run("ip address flush dev lo scope global")
    node(d)
    one = cluster_address(d, VIP, 80)
    cluster_address(d, OTHER_VIP, 8080, flags=PERSISTENT, timeout=10800)
    d.run("ipset add KUBE-NODE-PORT-TCP 30080 -exist")
    port = dict(vip=OUTSIDE, number=30080, netmask=0xFFFFFFFF)
    d.request("node port", genl.NEW_SERVICE, service("rr", **port))
    for where in SERVERS:
        d.request("endpoint", genl.NEW_DEST, service("rr", **port), server(where, number=80))
    for client in ("client1", "director", "server1", "server2"):
        d.expect("both serve", ask(d, f"{VIP}:80", client) == BOTH)
    d.expect("both serve a node port", ask(d, f"{OUTSIDE}:30080") == BOTH)
    d.expect("one serves a client that stays", len(set(ask(d, f"{OTHER_VIP}:8080"))) == 1)
    d.expect("a port that is no service's is refused", ask(d, f"{VIP}:81", times=1) == ["none"])
    d.request("an endpoint ends", genl.SET_DEST, service("rr", **one), server(SERVERS[0], weight=0, number=80))
    d.expect("the other serves", ask(d, f"{VIP}:80") == ["server2"] * 4)
    d.proc("ip_vs")
    d.request("its connections", genl.GET_DEST, service("rr", **one), dump=True, show=False)
    d.request("it is gone", genl.DEL_DEST, service("rr", **one), server(SERVERS[0], number=80))
    d.request("the service is gone", genl.DEL_SERVICE, service("rr", **one))
    d.run(f"ip address del {VIP}/32 dev kube-ipvs0")
    d.run("iptables -t nat -nL KUBE-POSTROUTING")
    d.request("all", genl.GET_SERVICE, genl.attribute(1, b""), dump=True, show=False)
