# SPDX-License-Identifier: GPL-2.0
"""Real sockets while devices make checksums and segments, or do not: every byte arrives, and no checksum was wrong."""
import re

from cases import case
from serving import SERVER, VIP

SIZE = 300000
SERVE = ("import socket\n"
         "listening = socket.create_server(('', PORT))\n"
         "while True:\n"
         "    one, _ = listening.accept()\n"
         "    got = b''\n"
         "    while len(got) < SIZE:\n"
         "        got += one.recv(1 << 20)\n"
         "    one.sendall(got)\n"
         "    one.close()\n").replace("SIZE", str(SIZE))
ASK = ("import random, socket\n"
       "data = random.Random(1).randbytes(SIZE)\n"
       "one = socket.create_connection(('VIP', 80), 10)\n"
       "one.sendall(data)\n"
       "got = b''\n"
       "while more := one.recv(1 << 20):\n"
       "    got += more\n"
       "print(len(got), got == data)\n").replace("SIZE", str(SIZE)).replace("VIP", VIP)
MACHINES = ("client1", "director", "server1")
ON = "rx on tx on sg on tso on gso on gro on"
# What is off where; all else is on.
SETTINGS = {"all on": {}, "no sums by senders": {"client1": "tx off", "server1": "tx off"}, "no sums by the director": {"director": "tx off"},
            "no sums of what comes": dict.fromkeys(MACHINES, "rx off"), "no segments": dict.fromkeys(MACHINES, "tso off gso off"),
            "no segments by the director": {"director": "tso off gso off"}, "nothing put together": dict.fromkeys(MACHINES, "gro off"),
            "all off": dict.fromkeys(MACHINES, ON.replace("on", "off"))}
METHODS = {"NAT": "-m", "DR": "-g", "IPIP": "-i"}


def build(d, method):
    """Builds a client, the director and a server that takes packets of the method."""
    d.hosts(1, 1)
    if method != "NAT":
        # An answer from the virtual address is none that the director, which has it, would send on.
        d.execute("ip route add 10.1.0.0/24 dev eth0", "server1")
        d.execute(f"ip address add {VIP}/32 dev lo", "server1")
    if method == "IPIP":
        d.execute(f"ip link add t0 type ipip local {SERVER} remote any", "server1")
        d.execute("ip link set t0 up", "server1")
        d.execute("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.t0.rp_filter=0", "server1")
    port = 8080 if method == "NAT" else 80
    d.start(["python3", "-c", SERVE.replace("PORT", str(port))], "server1")
    d.wait("the server to listen", lambda: f":{port} " in d.execute("ss -Hltn", "server1")[1])
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:{port} {METHODS[method]}")


def wrong_sums(d, where):
    """Returns how many segments a machine threw away for their checksums."""
    found = re.search(r"^TcpInCsumErrors\s+(\d+)", d.execute("nstat -asz TcpInCsumErrors", where)[1], re.M)
    return int(found[1])


@case(rows=tuple(METHODS))
def every_byte_arrives(d, method):
    build(d, method)
    for name, off in SETTINGS.items():
        for where in MACHINES:
            for words in (ON, off.get(where)):
                code, output = d.execute(f"ethtool -K eth0 {words}", where) if words else (0, "")
                d.expect(f"{where} takes {words}{': ' + output if code else ''}", code == 0)
        code, output = d.execute(["python3", "-c", ASK], "client1")
        d.expect(f"{name}: all bytes arrive, and come back: {output.strip()}", output == f"{SIZE} True\n")
        d.expect(f"{name}: no checksum is wrong", wrong_sums(d, "client1") == wrong_sums(d, "server1") == 0)
    d.proc("ip_vs")
