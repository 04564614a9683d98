# SPDX-License-Identifier: GPL-2.0
"""The director as its own client, and as a real server of its own services."""
import packet
import wire
from cases import case
from packet import SYN
from serving import CLIENT, VIP

SERVER = ("import socketserver\n"
          "class Echo(socketserver.BaseRequestHandler):\n"
          "    def handle(self):\n"
          "        self.request.sendall(b'from %s: ' % self.server.server_address[0].encode() + self.request.recv(100))\n"
          "socketserver.TCPServer.allow_reuse_address = True\n"
          "socketserver.TCPServer(('{address}', {port}), Echo).serve_forever()\n")
ASK = ("import socket, sys\n"
       "try:\n"
       "    s = socket.create_connection(('{address}', {port}), 5)\n"
       "    s.sendall(b'hello')\n"
       "    print(s.recv(100), s.getpeername())\n"
       "except OSError as error:\n"
       "    print(type(error).__name__)\n")


def serve(d, where, address, port):
    d.start(f"python3 -c \"{SERVER.format(address=address, port=port)}\"", where)
    d.wait("the server to listen", lambda: f":{port} " in d.execute("ss -Hltn", where)[1])


def ask(d, where, address=VIP, port=80):
    d.run(f"python3 -c \"{ASK.format(address=address, port=port)}\"", where)


@case(rows=("-m", "-g"))
def client_on_the_director(d, method):
    d.hosts(1, 2)
    for number in (1, 2):
        if method == "-g":
            d.execute(f"ip address add {VIP}/32 dev lo", f"server{number}")
        serve(d, f"server{number}", "0.0.0.0", 80)
    d.ipvsadm(f"-A -t {VIP}:80 -s rr")
    for number in (11, 12):
        d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.{number}:80 {method}")
    for _ in range(4):
        d.run(f"python3 -c \"{ASK.format(address=VIP, port=80)}\"", "director")
    d.proc("ip_vs")


@case(rows=(("-m", "10.9.0.2", 8080), ("-m", "127.0.0.1", 8080), ("-g", "10.9.0.1", 80), ("-g", "127.0.0.1", 80), ("-m", "10.9.0.1", 80)))
def server_on_the_director(d, row):
    method, address, port = row
    d.hosts(1, 1)
    serve(d, "director", "0.0.0.0", port)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {address}:{port} {method}")
    ask(d, "client1")
    ask(d, "director")
    d.proc("ip_vs")


@case
def mixed_local_and_remote_servers(d):
    d.hosts(1, 1)
    serve(d, "director", "10.9.0.2", 8080)
    serve(d, "server1", "10.2.0.11", 8080)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.9.0.2:8080 -m", f"-a -t {VIP}:80 -r 10.2.0.11:8080 -m")
    for _ in range(4):
        ask(d, "client1")
    d.proc("ip_vs")


@case
def packets_to_a_local_server_by_hand(d):
    d.wires()
    d.control(f"-A -u {VIP}:53 -s rr", f"-a -u {VIP}:53 -r 10.9.0.2:5353 -m")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53))
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.9.0.2:8080 -m")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()


@case
def packets_that_others_have_too_to_a_local_server(d):
    """What another socket has of a packet stays as it came: its bytes move before they change."""
    d.wires()
    d.control(f"-A -u {VIP}:53 -s rr", f"-a -u {VIP}:53 -r 10.9.0.2:5353 -m", f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.9.0.2:8080 -m")
    tap = wire.End("director", "eth0")
    try:
        for data in (packet.udp(CLIENT, 1053, VIP, 53), packet.tcp(CLIENT, 40000, VIP, 80, SYN)):
            d.send("client", data)
            d.lines += [f"  tap < {line}" for line in tap.received()]
        d.counts()
    finally:
        tap.close()


@case(rows=("-m", "-g"))
def live_requests_with_offload(d, method):
    d.hosts(2, 2)
    for number in (1, 2):
        if method == "-g":
            d.execute(f"ip address add {VIP}/32 dev lo", f"server{number}")
        serve(d, f"server{number}", "0.0.0.0", 80)
    d.ipvsadm(f"-A -t {VIP}:80 -s wrr")
    for number in (11, 12):
        d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.{number}:80 {method} -w {number - 10}")
    for number in range(6):
        d.run(f"python3 -c \"{ASK.format(address=VIP, port=80)}\"", f"client{number % 2 + 1}")
    d.proc("ip_vs")


@case
def live_requests_without_offload(d):
    d.hosts(1, 1)
    for where in ("client1", "director", "server1"):
        d.execute("ethtool -K eth0 tx off rx off tso off gso off gro off", where)
    serve(d, "server1", "0.0.0.0", 8080)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.2.0.11:8080 -m")
    ask(d, "client1")
    d.proc("ip_vs")


# Sends many datagrams and tells how many errors were sent about them.
UNREACHABLE = ("import socket\n"
               "def sent():\n"
               "    names, values = [line.split() for line in open('/proc/net/snmp') if line.startswith('Icmp:')]\n"
               "    return int(values[names.index('OutDestUnreachs')])\n"
               "before = sent()\n"
               "for port in range(20000, 20200):\n"
               "    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
               "        s.bind(('0.0.0.0', port))\n"
               "        s.sendto(b'hello', ('10.9.0.1', 53))\n"
               "print(sent() - before, 'errors')\n")


@case(rows=("-m", "-g"))
def a_client_here_is_told_of_a_missing_route_without_a_limit(d, method):
    d.hosts(1, 1)
    for name, value in (("icmp_msgs_per_sec", 1), ("icmp_msgs_burst", 10), ("icmp_ratelimit", 1000)):
        d.run(f"sysctl -q net.ipv4.{name}={value}")
    d.run("ip route add unreachable 10.2.0.11/32")
    d.control(f"-A -u {VIP}:53 -s rr", f"-a -u {VIP}:53 -r 10.2.0.11:53 {method}")
    d.run(["python3", "-c", UNREACHABLE])
