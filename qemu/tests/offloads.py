# SPDX-License-Identifier: GPL-2.0
"""Real sockets while devices make checksums and segments, or do not: every byte arrives, and no checksum was wrong."""
import topology
from cases import case
from tunnel_hosts import unpacks
from tunnel_packets import KINDS, PLANS

SIZE = 300000
# Sends back what comes: all of a TCP connection, each datagram of UDP.
SERVE = """import socket, threading
def datagrams():
    one = socket.socket(socket.FAMILY, socket.SOCK_DGRAM)
    one.bind(('OWN', PORT))
    while True:
        one.sendto(*one.recvfrom(65535))
threading.Thread(target=datagrams, daemon=True).start()
listening = socket.create_server(('', PORT), family=socket.FAMILY)
while True:
    one, _ = listening.accept()
    got = b''
    while len(got) < SIZE:
        got += one.recv(1 << 20)
    one.sendall(got)
    one.close()
""".replace("SIZE", str(SIZE))
# The kernel cuts what is sent by UDP into datagrams of 1,000 bytes, its device if that can.
ASK = """import random, socket
data = random.Random(1).randbytes(SIZE)
one = socket.create_connection(('VIP', 80), 10)
one.sendall(data)
got = b''
while more := one.recv(1 << 20):
    got += more
two = socket.socket(socket.FAMILY, socket.SOCK_DGRAM)
two.settimeout(10)
two.connect(('VIP', 80))
two.setsockopt(socket.IPPROTO_UDP, 103, 1000)
two.send(data[:8000])
print(len(got), got == data, sorted(two.recv(2000) for _ in range(8)) == sorted(data[at:at + 1000] for at in range(0, 8000, 1000)))
""".replace("SIZE", str(SIZE))
MACHINES = ("client1", "director", "server1")
ON = "rx on tx on sg on tso on gso on gro on"
# What is off where; all else is on.
SETTINGS = {"all on": {}, "no sums by senders": {"client1": "tx off", "server1": "tx off"}, "no sums by the director": {"director": "tx off"},
            "no sums of what comes": dict.fromkeys(MACHINES, "rx off"), "no segments": dict.fromkeys(MACHINES, "tso off gso off"),
            "no segments by the director": {"director": "tso off gso off"}, "nothing put together": dict.fromkeys(MACHINES, "gro off"),
            "all off": dict.fromkeys(MACHINES, ON.replace("on", "off"))}
ROWS = ("NAT 4", "DR 4", "ipip 4", "gue 4", "gue-csum 4", "gre 4", "NAT 6", "DR 6", "ipip 6")
WRONG = ("TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors")


def build(d, method, plan):
    """Builds a client, the director and a server that takes packets of the method."""
    d.hosts(1, 1, plan)
    vip, six = plan.vips[0], plan.family == 6
    # Client and server are on one link: a router says so, and answers would go past the director.
    d.execute("sysctl -qw net.ipv6.conf.all.accept_redirects=0 net.ipv6.conf.eth0.accept_redirects=0", "server1")
    if method != "NAT":
        # An answer from the virtual address is none that the director, which has it, would send on.
        topology.batch([f"route add {plan.near_network} dev eth0", f"address add {vip}/{plan.host} dev lo" + " nodad" * six], "server1")
    if method in KINDS:
        unpacks(d, f"{method} {plan.family}in{plan.family}", plan.servers[0])
    port = 8080 if method == "NAT" else 80
    script = SERVE.replace("PORT", str(port)).replace("FAMILY", "AF_INET6" if six else "AF_INET").replace("OWN", "" if method == "NAT" else vip)
    d.start(["python3", "-c", script], "server1")
    d.wait("the server to listen", lambda: all(f":{port} " in d.execute(f"ss -Hln{letter}", "server1")[1] for letter in "tu"))
    way = {"NAT": "-m", "DR": "-g"}.get(method) or f"-i {KINDS[method]}"
    for letter in "tu":
        d.control(f"-A -{letter} {plan.end(vip, 80)} -s rr", f"-a -{letter} {plan.end(vip, 80)} -r {plan.end(plan.servers[0], port)} {way}")


def wrong_sums(d, where):
    """Returns how many segments and datagrams a machine threw away for their checksums."""
    lines = d.execute(f"nstat -asz {' '.join(WRONG)}", where)[1].splitlines()
    found = [int(line.split()[1]) for line in lines if line.startswith(WRONG)]
    return sum(found) if len(found) == len(WRONG) else None


@case(rows=ROWS)
def every_byte_arrives(d, row):
    method, family = row.split()
    plan = PLANS[family]
    build(d, method, plan)
    ask = ASK.replace("VIP", plan.vips[0]).replace("FAMILY", "AF_INET6" if plan.family == 6 else "AF_INET")
    for name, off in SETTINGS.items():
        for where in MACHINES:
            for words in (ON, off.get(where)):
                code, output = d.execute(f"ethtool -K eth0 {words}", where) if words else (0, "")
                d.expect(f"{where} takes {words}{': ' + output if code else ''}", code == 0)
        code, output = d.execute(["python3", "-c", ask], "client1")
        d.expect(f"{name}: all bytes arrive, and come back: {output.strip()}", output == f"{SIZE} True True\n")
        d.expect(f"{name}: no checksum is wrong", wrong_sums(d, "client1") == wrong_sums(d, "server1") == 0)
    d.proc("ip_vs")
