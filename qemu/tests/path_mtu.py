# SPDX-License-Identifier: GPL-2.0
"""Whose MTU counts: that of the route to the server as it is now, never that of the device with the service's address."""
import packet
import serving
from cases import case
from serving import FAMILIES_AND_METHODS
from topology import IPV4, PLANS

DF = 0x4000
TAKE = ("import socketserver\n"
        "class Take(socketserver.BaseRequestHandler):\n"
        "    def handle(self):\n"
        "        size = 0\n"
        "        while size < {size}:\n"
        "            size += len(self.request.recv(65536))\n"
        "        self.request.sendall(bytes({size}))\n"
        "socketserver.TCPServer.allow_reuse_address = True\n"
        "socketserver.TCPServer(('0.0.0.0', {port}), Take).serve_forever()\n")
GIVE = ("import socket\n"
        "s = socket.create_connection(('{vip}', 80), 10)\n"
        "s.sendall(bytes({size}))\n"
        "size = 0\n"
        "while size < {size}:\n"
        "    size += len(s.recv(65536))\n"
        "print(size, 'bytes came back')\n")


def send(d, plan, size):
    """Sends a datagram in a packet of so many bytes, and one that must not be cut."""
    header = packet.HEADER[plan.family] + 8
    for fragment in (0, DF) if plan.family == 4 else (None,):
        more = {} if fragment is None else {"frag": fragment}
        data = packet.udp(plan.clients[0], 40000, plan.vips[0], 80, bytes(size - header), **more)
        d.send("client", data, f"{size} bytes, fragment field {fragment}")


@case(rows=FAMILIES_AND_METHODS)
def route_changes_its_mtu(d, row):
    family, method = row.split()
    plan = PLANS[family]
    server = plan.servers[0]
    serving.start(d, plan=plan, letters="-u", method=method, server_port=8080)
    overhead = packet.HEADER[plan.family] if method == "-i" else 0
    # IPv6 asks for 1280 bytes at least, inside of a tunnel as well.
    locked = 1200 if plan.family == 4 else 1320
    for words, limit in (("mtu 1380", 1380), (f"mtu lock {locked}", locked), ("", 1500)):
        d.run(f"ip route replace {server}/{plan.host} dev eth1 {words}")
        for size in sorted({limit - overhead, limit - overhead + 1, 1420}):
            if size <= 1500:
                send(d, plan, size)
    d.run(f"ip route del {server}/{plan.host} dev eth1")
    send(d, plan, 1500 - overhead)
    d.counts()


@case(rows=("-m", "-g"))
def service_on_a_dummy_that_is_down(d, method):
    d.hosts(1, 1)
    vip, port = IPV4.vips[0], 8080 if method == "-m" else 80
    d.run(f"ip address del {vip}/32 dev lo")
    for command in ("link add kube type dummy", "link set kube mtu 1300", f"address add {vip}/32 dev kube"):
        d.run(f"ip {command}")
    if method == "-g":
        d.execute(f"ip address add {vip}/32 dev lo", "server1")
    d.start(["python3", "-c", TAKE.format(port=port, size=100000)], "server1")
    d.wait("the server to listen", lambda: f":{port} " in d.execute("ss -Hltn", "server1")[1])
    d.control(f"-A -t {vip}:80 -s rr", f"-a -t {vip}:80 -r 10.2.0.11:{port} {method}")
    for where in ("client1", "director"):
        d.run(["python3", "-c", GIVE.format(vip=vip, size=100000)], where)
    d.proc("ip_vs")
