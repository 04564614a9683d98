# SPDX-License-Identifier: GPL-2.0
"""Real SCTP clients and servers through the director: the kernel's own associations, offload on and off, both families."""
import re
import socket

from cases import case
from topology import PLANS

SERVE = ("import hashlib, socket, sys\n"
         "family = socket.AF_INET6 if ':' in '{address}' else socket.AF_INET\n"
         "listener = socket.socket(family, socket.SOCK_STREAM, 132)\n"
         "listener.bind(('{address}', {port}))\n"
         "listener.listen()\n"
         "print('ready', flush=True)\n"
         "while True:\n"
         "    peer, _ = listener.accept()\n"
         "    wanted, got = int(peer.recv(100)), b''\n"
         "    while len(got) < wanted:\n"
         "        got += peer.recv(65536)\n"
         "    for at in range(0, wanted, 20000):\n"
         "        peer.send(got[at:at + 20000])\n"
         "    peer.send(b'{address} ' + hashlib.sha1(got).hexdigest()[:12].encode())\n"
         "    peer.close()\n")
ASK = ("import hashlib, socket\n"
       "family = socket.AF_INET6 if ':' in '{address}' else socket.AF_INET\n"
       "s = socket.socket(family, socket.SOCK_STREAM, 132)\n"
       "s.settimeout(20)\n"
       "try:\n"
       "    s.bind(('{own}', {sport}))\n"
       "    s.connect(('{address}', {port}))\n"
       "    s.send(b'{size}')\n"
       "    data = bytes(range(251)) * ({size} // 251) + bytes({size} % 251)\n"
       "    for at in range(0, {size}, 20000):\n"
       "        s.send(data[at:at + 20000])\n"
       "    got = b''\n"
       "    while len(got) < {size}:\n"
       "        got += s.recv(65536)\n"
       "    print(s.recv(100).decode() if len(got) == {size} else len(got), got == data, s.getpeername()[:2])\n"
       "    s.close()\n"
       "except OSError as error:\n"
       "    print(type(error).__name__)\n")


def serve(d, where, address, port):
    """Starts a server on one address only: with others it would offer them all to its clients."""
    process = d.start(["python3", "-c", SERVE.format(address=address, port=port)], where)
    d.expect(f"the server at {address} listens", process.stdout.readline() == "ready\n")


def ask(d, where, sport, size=1000):
    own = d.plan.far if where == "director" else d.plan.clients[0]
    d.say(f"{where} asks")
    _, output = d.execute(["python3", "-c", ASK.format(address=d.plan.vips[0], port=80, own=own, sport=sport, size=size)], where)
    d.say(output)


def either_failure(d):
    """Where one association fails, how the next one does depends on whether the server has noticed: both are shown alike."""
    d.lines = [re.sub(r"^(Timeout|ConnectionRefused)Error", "no answer", line) for line in d.lines]


def shares(d):
    """Writes down how many associations each server was given: how many are left depends on how long that took."""
    d.quiet(5)
    _, listing = d.execute("ipvsadm -Ln --stats")
    for line in listing.splitlines()[3:]:
        d.say("  " + " ".join(line.split()[:3]))


def over(d):
    """Waits until no association is established, and writes down which server each had; the states depend on which end is quicker."""
    def lines():
        return d.read("/proc/thread-self/net/ip_vs_conn").splitlines()[1:]
    d.wait("the associations to be over", lambda: not any("ESTABLISHED" in line for line in lines()))
    for line in sorted(lines()):
        d.say("  " + " ".join(line.split()[:7]))


def start(d, plan, method, ports=None):
    """Has a client, and a server for each of the ports, or two."""
    ports = ports or ((8080, 8080) if method == "-m" else (80, 80))
    d.hosts(1, len(ports), plan)
    end, vip = plan.end, plan.vips[0]
    d.ipvsadm(f"-A --sctp-service {end(vip, 80)} -s rr")
    for number, port in enumerate(ports):
        address = plan.servers[number]
        if method == "-g":
            more = " nodad" * (plan.family == 6)
            d.execute(f"ip address add {vip}/{plan.host} dev lo{more}", f"server{number + 1}")
        serve(d, f"server{number + 1}", vip if method == "-g" else address, port)
        d.ipvsadm(f"-a --sctp-service {end(vip, 80)} -r {end(address, port)} {method}")


@case(rows=tuple((f"{family}, {method}", family, method) for family in PLANS for method in ("-m", "-g")))
def requests(d, row):
    _, family, method = row
    start(d, PLANS[family], method)
    for number in range(4):
        ask(d, "client1", 41000 + number)
    either_failure(d)
    over(d)


@case(rows=tuple((f"{family}, {method}, {port}, {sums}", family, method, port, sums) for family in PLANS for method, port in (("-m", 8080), ("-m", 80), ("-g", 80))
                 for sums in ("on", "off")))
def much_data_both_ways(d, row):
    """The kernel sends its data in packets that are cut later, and leaves sums to a device that can make them."""
    _, family, method, port, sums = row
    start(d, PLANS[family], method, (port,))
    d.run(f"ethtool -K eth0 tx-checksum-sctp {sums}")
    for number in range(2):
        ask(d, "client1", 41000 + number, 200000)
    either_failure(d)
    over(d)


@case(rows=tuple((f"{family}, {method}", family, method) for family in PLANS for method in ("-m", "-g")))
def client_on_the_director(d, row):
    _, family, method = row
    start(d, PLANS[family], method)
    for number in range(3):
        ask(d, "director", 41000 + number, 50000)
    shares(d)


@case(rows=tuple((f"{family}, {method}, {port}", family, method, port) for family in PLANS for method, port in (("-m", 8080), ("-m", 80), ("-g", 80))))
def server_on_the_director(d, row):
    _, family, method, port = row
    plan = PLANS[family]
    d.hosts(1, 1, plan)
    address = plan.vips[0 if method == "-g" else 1]
    serve(d, "director", address, port)
    vip = plan.end(plan.vips[0], 80)
    d.control(f"-A --sctp-service {vip} -s rr", f"-a --sctp-service {vip} -r {plan.end(address, port)} {method}")
    ask(d, "client1", 41000, 50000)
    ask(d, "director", 41001, 50000)
    shares(d)


@case
def nothing_listens(d):
    d.hosts(1, 1)
    d.control("-A --sctp-service 10.9.0.1:80 -s rr", "-a --sctp-service 10.9.0.1:80 -r 10.2.0.11:8080 -m")
    ask(d, "client1", 41000)
    over(d)
    d.ipvsadm("-d --sctp-service 10.9.0.1:80 -r 10.2.0.11:8080")
    ask(d, "client1", 41001)
    d.expect("the guest's kernel has SCTP", socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close() is None)
