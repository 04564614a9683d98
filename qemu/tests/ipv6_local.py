# SPDX-License-Identifier: GPL-2.0
"""IPv6 with the director as its own client, and as a real server of its own services."""
import socket

import packet
from cases import case
from ipv6_packets import CLIENT, METHODS, SERVER, VIP, counters, start
from packet import SYN
from topology import IPV6, inside

ASK = ("import socket\n"
       "try:\n"
       "    s = socket.create_connection(('{address}', {port}), 5)\n"
       "    s.sendall(b'hello')\n"
       "    print(s.recv(100), s.getpeername())\n"
       "except OSError as error:\n"
       "    print(type(error).__name__)\n")
SERVE = ("import socketserver, socket\n"
         "class Echo(socketserver.BaseRequestHandler):\n"
         "    def handle(self):\n"
         "        self.request.sendall(b'from %s: ' % self.request.getsockname()[0].encode() + self.request.recv(100))\n"
         "socketserver.TCPServer.allow_reuse_address = True\n"
         "socketserver.TCPServer.address_family = socket.AF_INET6\n"
         "socketserver.TCPServer(('::', {port}), Echo).serve_forever()\n")


def serve(d, where, port):
    d.start(["python3", "-c", SERVE.format(port=port)], where)
    d.wait("the server to listen", lambda: f":{port} " in d.execute("ss -Hltn", where)[1])


def ask(d, where):
    d.run(["python3", "-c", ASK.format(address=VIP, port=80)], where)


@case(rows=METHODS)
def client_on_the_director(d, method):
    d.hosts(1, 2, IPV6)
    for number in (1, 2):
        if method == "-g":
            d.execute(f"ip address add {VIP}/128 dev lo nodad", f"server{number}")
        serve(d, f"server{number}", 80)
    d.control(f"-A -t [{VIP}]:80 -s rr", *(f"-a -t [{VIP}]:80 -r [{server}]:80 {method}" for server in IPV6.servers[:2]))
    for where in ("director", "client1"):
        for _ in range(4):
            ask(d, where)
    d.proc("ip_vs")


@case(rows=(("-m", IPV6.vips[1], 8080), ("-m", "::1", 8080), ("-g", VIP, 80), ("-g", "::1", 80), ("-m", VIP, 80)))
def server_on_the_director(d, row):
    method, address, port = row
    d.hosts(1, 1, IPV6)
    serve(d, "director", port)
    d.control(f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{address}]:{port} {method}")
    ask(d, "client1")
    ask(d, "director")
    d.proc("ip_vs")


@case
def mixed_local_and_remote_servers(d):
    d.hosts(1, 1, IPV6)
    serve(d, "director", 8080)
    serve(d, "server1", 8080)
    d.control(f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{IPV6.vips[1]}]:8080 -m", f"-a -t [{VIP}]:80 -r [{SERVER}]:8080 -m")
    for _ in range(4):
        ask(d, "client1")
    d.proc("ip_vs")


@case
def live_requests_without_offload(d):
    d.hosts(1, 1, IPV6)
    for where in ("client1", "director", "server1"):
        d.execute("ethtool -K eth0 tx off rx off tso off gso off gro off", where)
    serve(d, "server1", 8080)
    d.control(f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{SERVER}]:8080 -m")
    ask(d, "client1")
    d.proc("ip_vs")


@case
def packets_to_a_local_server_by_hand(d):
    d.wires(IPV6)
    d.control(f"-A -u [{VIP}]:53 -s rr", f"-a -u [{VIP}]:53 -r [{IPV6.vips[1]}]:5353 -m",
              f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{IPV6.vips[1]}]:8080 -m",
              f"-A -t [{VIP}]:81 -s rr", f"-a -t [{VIP}]:81 -r [{VIP}]:81 -g",
              f"-A -t [{VIP}]:82 -s rr", f"-a -t [{VIP}]:82 -r [{SERVER}]:82 -m")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53))
    for port in (80, 81, 82):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, port, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, ttl=1), "without a hop left")
    error = packet.icmp(CLIENT, VIP, 1, 4, 0, packet.udp(VIP, 53, CLIENT, 1053, b"answer", ttl=60))
    d.send("client", error, "an error about what the local server sent")
    d.counts()


@case
def too_big_for_a_client_here(d):
    start(d)
    d.run("ip link set eth1 mtu 1300")
    code = ("import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(41, 23, 2); s.bind(('::', 5000)); "
            f"s.connect(('{VIP}', 80)); s.settimeout(1); [print(n, s.send(bytes(n))) for n in (1200, 1400)]; s.recv(1)")
    d.run(["sh", "-c", f"python3 -c \"{code}\" 2>&1 | tail -n 3"])
    counters(d)
    d.captured("local")


@case
def packet_of_the_other_version_passes(d):
    start(d)
    d.control("-A -u 10.9.0.1:80 -s rr", "-a -u 10.9.0.1:80 -r 10.2.0.11:80 -m")
    with inside("director"):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sock:
        for data in (packet.udp("10.1.0.2", 40000, "10.9.0.1", 80, bytes(64)), packet.udp(CLIENT, 40000, VIP, 80, bytes(64))):
            sock.sendto(data, (CLIENT, 0))
            d.captured(f"of version {data[0] >> 4} to {CLIENT}")
    d.counts()
