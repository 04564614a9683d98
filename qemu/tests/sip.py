# SPDX-License-Identifier: GPL-2.0
"""The persistence engine sip: which packets have a Call-ID, what their templates keep together, what servers begin."""
import functools
import struct

import genl
import packet
import serving
from cases import case
from packet import SYN
from serving import CLIENT, OTHER_CLIENT, OTHER_SERVER, SERVER, VIP
from topology import IPV6

PORT, SERVERS = 5060, (SERVER, OTHER_SERVER)
SIP = {"port": PORT, "servers": SERVERS, "options": "-p 300 --pe sip", "limits": "-w 1"}
MARKED = "table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.9.0.0/24 meta mark set 7; }; }\n"
start = functools.partial(serving.start, letters="-u", **SIP)
serve = functools.partial(serving.serve, **SIP)


def message(call="call@host", name="Call-ID: ", first="INVITE sip:x@10.9.0.1 SIP/2.0\r\n", rest="\r\nCSeq: 1 INVITE\r\n\r\n"):
    return first.encode() + b"Via: SIP/2.0/UDP 10.1.0.2\r\n" + name.encode() + call.encode("latin-1") + rest.encode()


def ask(d, data, client=CLIENT, title="", **ports):
    """Sends a message of a client; ports: `sport` and `port`, where they are others."""
    sport, port = ({"sport": PORT, "port": PORT} | ports).values()
    return d.send("client", packet.udp(client, sport, VIP, port, data), title or f"{client} {sport} to {port}: {data[:60]}")


def answer(d, data, server=SERVERS[0], client=CLIENT, **ports):
    """Sends a message of a server; ports: `sport` and `port`, where they are others."""
    sport, port = ({"sport": PORT, "port": PORT} | ports).values()
    return d.send("servers", packet.udp(server, sport, client, port, data), f"{server} {sport} to {client} {port}: {data[:60]}")


# --- commands ---

@case
def service_has_an_engine(d):
    d.bare()
    for options in ("-p 300 --pe sip", "--pe sip -p", "-p 300 --pe none", "--pe sip"):
        d.ipvsadm(f"-A -u {VIP}:5060 -s rr {options}")
        d.control("-Ln", "-Sn", f"-D -u {VIP}:5060")
    service = lambda **more: genl.service(ADDR=genl.address(VIP), PORT=genl.port(5060), PROTOCOL=genl.u16(17), **more)
    for name in (b"sip\0", b"\0", b"SIP\0", b"sips\0", b"xyz\0", b"s\0", b"0123456789abcdef\0", b"sip"):
        for flags in (0, 1):
            d.request(f"{name} with flags {flags}", genl.NEW_SERVICE, service(PE_NAME=name, FLAGS=struct.pack("=II", flags, 0xFFFFFFFF)))
            d.request("its state", genl.GET_SERVICE, service(), show=True)
            d.request("deleted", genl.DEL_SERVICE, service(), handler=False)
    d.request("engine and scheduler unknown", genl.NEW_SERVICE, service(PE_NAME=b"xyz\0", SCHED_NAME=b"abc\0"))
    d.request("of TCP", genl.NEW_SERVICE, genl.service(PE_NAME=b"sip\0"))
    d.request("of a mark", genl.NEW_SERVICE, genl.service(FWMARK=genl.u32(7), PE_NAME=b"sip\0"))
    d.request("all", genl.GET_SERVICE, dump=True)
    d.proc("ip_vs")


@case
def engine_is_edited(d):
    d.bare()
    d.ipvsadm(f"-A -u {VIP}:5060 -s rr -p 300")
    for options in ("-p 300 --pe sip", "-p 100", "-p 100 --pe sip", "--pe sip", "-p 100 --pe xyz", "", "-p 50 --pe sip"):
        d.ipvsadm(f"-E -u {VIP}:5060 -s rr {options}")
        d.control("-Ln", "-Sn")
    saved = d.ipvsadm("-Sn")
    d.control("-C")
    d.ipvsadm("-R", stdin=saved)
    d.ipvsadm("-Sn")


# --- templates ---

@case(rows=("-m", "-g", "-i"))
def call_stays_with_its_server(d, method):
    start(d, method=method)
    for call in ("one@a", "two@a", "three@a"):
        for sport in (5060, 5061):
            ask(d, message(call), sport=sport + len(d.lines))
    for client in (CLIENT, OTHER_CLIENT):
        ask(d, message("one@a"), client, sport=6000)
    d.counts()
    d.proc("ip_vs_conn")
    d.proc("ip_vs_conn_sync")
    d.control("-Lcn", "-Lcn --persistent-conn", "-Ln --persistent-conn")


@case(rows=("255.255.255.0", "128.0.0.0"))
def clients_of_a_network_share_a_call(d, mask):
    start(d, options=f"-p 300 -M {mask} --pe sip")
    for call in ("one@a", "two@a"):
        for client in (CLIENT, OTHER_CLIENT, "10.1.0.4"):
            ask(d, message(call), client)
    d.counts()


MESSAGES = {
    "no Call-ID": message(name="X-Call: "), "empty value": message(""), "blank value": message("   "), "lower case": message(name="call-id: "),
    "upper case": message(name="CALL-ID: "), "compact": message(name="i: "), "compact, large": message(name="I:"),
    "blanks before the colon": message(name="Call-ID \t : \t"), "no blank": message(name="Call-ID:"), "compact, blank": message(name="i : "),
    "in the first line": message(first="Call-ID: zero@a\r\n"), "only in the first line": b"Call-ID: zero@a\r\nCSeq: 1\r\n\r\n",
    "folded value": message(name="Call-ID:\r\n "), "folded colon": message(name="Call-ID\r\n : "), "folded twice": message(name="Call-ID:\r\n \r\n "),
    "folded with LF": message(name="i:\n\t"), "folded, not blank": message(name="Call-ID:\r\n"), "a folded line": message(name=" Call-ID: "),
    "LF": message().replace(b"\r\n", b"\n"), "CR": message().replace(b"\r\n", b"\r"), "ends with the value": message(rest=""),
    "ends with CR": message(rest="\r"), "ends with LF": message(rest="\n"), "two of them": message("one@a\r\nCall-ID: two@a"),
    "compact first": message("one@a\r\nCall-ID: two@a", name="i: "), "at twice": message("a@b@c"), "at first": message("@b"), "at last": message("b@"),
    "bad, then good": message("@b\r\nCall-ID: two@a"), "bad twice, then good": message("@b\r\nCall-ID: @c\r\nCall-ID: two@a"),
    "bad twice, then far": message("@b\r\nCall-ID: @c\r\nX: " + "x" * 80 + "\r\nCall-ID: two@a"),
    "blank inside": message("one two"), "parameter": message("one;two"), "comma": message("one,two"), "all marks": message("-.!%*_+`'~()<>:\\\"/[]?{}@x"),
    "other marks": message("a#b"), "other marks too": message("a$b"), "equals": message("a=b"), "latin 1": message("\xe9\xc0"), "times": message("\xd7"),
    "a NUL": message("a\0b"), "no colon": message(name="Call-ID "), "no colon, then good": message("one@a\r\nCall-ID: two@a", name="Call-ID "),
    "longer name, then good": message("one@a\r\nCall-ID: two@a", name="Call-IDs: "), "compact and more": message("one@a\r\nCall-ID: two@a", name="i-x: "),
    "compact and a letter": message("one@a\r\nCall-ID: two@a", name="id: "), "compact and a digit": message("one@a\r\nCall-ID: two@a", name="i1: "),
    "compact and a letter of Latin 1": message("one@a\r\nCall-ID: two@a", name="i").replace(b"ione", b"i\xe9: one"),
    "in the body": message(name="X: ", rest="\r\n\r\nCall-ID: body@a\r\n"), "in the body behind LF": b"x\ny: z\n\nCall-ID: body@a\n",
    "in the body behind two LF": b"x\ny: z\n\n\nCall-ID: body@a\n",
    "255 bytes": message("x" * 255), "256 bytes": message("y" * 256), "long with an at": message("x" * 200 + "@" + "y" * 54),
    "too long with an at": message("x" * 200 + "@" + "y" * 55), "far behind": message(rest="\r\n", first="INVITE x\r\n" + "X: " + "y" * 1000 + "\r\n"),
    "one byte": b"x", "no byte": b"", "CRLF": b"\r\n", "only the name": b"\r\ni", "only name and colon": b"\r\ni:", "name, colon, blank": b"\r\ni: ",
    "short": b"\r\ni:a\r", "short of it": b"\r\ni:a", "keep alive": b"\r\n\r\n", "zeroes": bytes(40),
}


PART = 20


@case(rows=tuple(range(0, len(MESSAGES), PART)))
def message_has_a_call_or_not(d, begin):
    start(d)
    for number, (title, data) in enumerate(tuple(MESSAGES.items())[begin:begin + PART]):
        ask(d, data.replace(b"call@host", b"%d@host" % number), sport=6000 + number, title=title)
    d.proc("ip_vs_conn")


@case
def broken_datagrams(d):
    start(d)
    good = packet.udp(CLIENT, PORT, VIP, PORT, message())
    header = 28
    for length in (20, 24, 27, 28, 29, 40, 60, len(good) - 1):
        segment = good[20:length]
        d.send("client", packet.ip(CLIENT, VIP, 17, segment), f"{length} bytes of it")
    for name, size in (("too long", 2000), ("too short", 12), ("zero", 0)):
        segment = good[20:24] + struct.pack("!H", size) + b"\0\0" + good[header:]
        d.send("client", packet.ip(CLIENT, VIP, 17, segment), f"the length of UDP is {name}")
    d.send("client", packet.udp(CLIENT, 5070, VIP, PORT, message(), mode="bad"), "bad checksum")
    d.counts()


@case
def fragments_and_pages(d):
    start(d)
    large = message(first="INVITE x\r\n" + "X: " + "y" * 1200 + "\r\n")
    for sport, size in ((5060, 64), (5061, 512), (5062, 1000)):
        d.send("client", packet.fragments(packet.udp(CLIENT, sport, VIP, PORT, large), size), f"fragments of {size}")
    for sport, linear in ((5063, 34), (5064, 42), (5065, 100), (5066, 300)):
        d.send("client", packet.udp(CLIENT, sport, VIP, PORT, large), f"{linear} bytes are linear", linear=linear)
    d.counts()
    d.proc("ip_vs_conn")


@case
def ipv6(d):
    d.wires(IPV6)
    vip, client = IPV6.vips[0], IPV6.clients[0]
    d.ipvsadm(f"-A -u [{vip}]:{PORT} -s rr -p 300 -M 64 --pe sip")
    for server in IPV6.servers[:2]:
        d.ipvsadm(f"-a -u [{vip}]:{PORT} -r [{server}]:{PORT} -m")
    for call in ("one@a", "two@a", "", "one@a"):
        d.send("client", packet.udp(client, PORT + len(d.lines), vip, PORT, message(call)), f"call {call}")
    large = message("x" * 255, first="INVITE x\r\n" + "X: " + "y" * 1200 + "\r\n")
    d.send("client", packet.fragments(packet.udp(client, 7000, vip, PORT, large), 1232), "fragments")
    d.counts()
    d.proc("ip_vs_conn")
    d.send("servers", packet.udp(IPV6.servers[0], PORT, client, 7001, message("new@server")), "begun by a server")
    d.proc("ip_vs_conn")


@case(only=("rvs",))
def fragments_of_ipv6_stay_as_they_are(d):
    d.wires(IPV6)
    vip, server = IPV6.vips[0], IPV6.servers[0]
    d.control(f"-A -u [{vip}]:{PORT} -s rr -p 300 -M 64 --pe sip", f"-a -u [{vip}]:{PORT} -r [{server}]:{PORT} -m")
    large = message(first="INVITE x\r\n" + "X: " + "y" * 1200 + "\r\n")
    found = d.send("client", packet.fragments(packet.udp(IPV6.clients[0], PORT, vip, PORT, large), 512), "fragments")
    d.expect("three fragments", len(found["servers"]) == 3)


# --- services ---

@case(rows=(0, PORT))
def service_of_any_port(d, server_port):
    start(d, port=0, server_port=server_port)
    for port in (5060, 5070, 0):
        for call in ("one@a", "two@a"):
            ask(d, message(call), sport=6000 + len(d.lines), port=port)
    ask(d, b"nothing", port=5070)
    answer(d, message("new@server"), sport=5070)
    answer(d, message("new@server"))
    d.proc("ip_vs_conn")


@case(rows=(0, PORT))
def service_of_a_mark(d, server_port):
    d.wires()
    d.rules(MARKED)
    serve(d, service="-f 7", server_port=server_port)
    for port in (5060, 5070):
        for call in ("one@a", "two@a"):
            ask(d, message(call), sport=6000 + len(d.lines), port=port)
    ask(d, b"nothing")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 5060, SYN), "SYN")
    answer(d, message("new@server"))
    d.proc("ip_vs_conn")


@case
def tcp_has_no_call(d):
    start(d, letters="-t")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, PORT, SYN), "SYN")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, PORT, SYN, data=message()), "SYN with a message")
    d.counts()
    d.ipvsadm("-Ln --stats")


@case(rows=("0", "1"))
def errors_are_scheduled(d, schedule_icmp):
    start(d)
    d.sysctl("schedule_icmp", schedule_icmp)
    quoted = packet.udp(VIP, PORT, CLIENT, PORT, message())
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, quoted), "an error about a message")
    d.counts()


@case
def no_server_takes_it(d):
    start(d, limits="-w 0")
    ask(d, message())
    ask(d, b"nothing")
    d.counts()


@case(rows=("rr", "sh", "wlc", "none"))
def schedulers(d, scheduler):
    start(d, scheduler=scheduler)
    for number in range(4):
        ask(d, message(f"{number}@a"), sport=6000 + number)
    d.counts()


@case
def one_packet(d):
    start(d, options="-o -p 300 --pe sip")
    for call in ("one@a", "two@a", "one@a", ""):
        ask(d, message(call))
    answer(d, message("one@a"))
    answer(d, message("new@server"))
    d.counts()
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case
def one_packet_for_all_clients(d):
    """As people set up telephones: a call stays with its server from wherever it comes."""
    start(d, options="-p 60 -M 0.0.0.0 --pe sip -o", method="-g")
    for number, (client, sport, name, call) in enumerate((
            (CLIENT, 5060, "Call-ID: ", "one@a"), (CLIENT, 5061, "Call-ID: ", "one@a"), (OTHER_CLIENT, 5060, "Call-ID: ", "one@a"), (OTHER_CLIENT, 5060, "Call-ID: ", "two@a"),
            ("192.0.2.9", 5070, "Call-ID: ", "two@a"), (CLIENT, 5060, "i: ", "one@a"), (OTHER_CLIENT, 5062, "i: ", "three@a"), (CLIENT, 5062, "Call-ID: ", "three@a"))):
        ask(d, message(call, name), client, f"{number}: {name}{call} from {client} {sport}", sport=sport)
    ask(d, b"\r\n\r\n")
    ask(d, message(name="X-Call: "))
    d.counts()
    d.control("-Ln", "-Sn", "-Lcn")
    d.proc("ip_vs_conn")
    d.proc("ip_vs")


# --- life ---

@case
def template_times(d):
    start(d, options="-p 30 --pe sip")
    ask(d, message())
    d.counts("at once")
    answer(d, message())
    d.counts("answered")
    d.quiet(35)
    d.counts("its time is over, and it is held", spread=3)
    ask(d, message(), sport=5061)
    d.counts("used again", spread=3)
    d.quiet(400)
    d.counts("all over", spread=3)
    d.quiet(60)
    d.counts("the template as well")


@case(rows=(0, 1))
def weight_zero(d, expire):
    start(d)
    d.sysctl("expire_quiescent_template", expire)
    for call in ("one@a", "two@a"):
        ask(d, message(call))
    for server in SERVERS:
        d.ipvsadm(f"-e -u {VIP}:{PORT} -r {server}:{PORT} -m -w 0")
        for call in ("one@a", "two@a"):
            ask(d, message(call), sport=6000 + len(d.lines))
        d.counts()
    d.ipvsadm(f"-e -u {VIP}:{PORT} -r {SERVERS[0]}:{PORT} -m -w 1")
    for call in ("one@a", "two@a"):
        ask(d, message(call), sport=6000 + len(d.lines))
    d.counts("a template that was given up is used again")
    d.ipvsadm(f"-e -u {VIP}:{PORT} -r {SERVERS[1]}:{PORT} -m -w 1")
    for call in ("one@a", "two@a"):
        ask(d, message(call), sport=6000 + len(d.lines))
    d.proc("ip_vs_conn")


@case(rows=(0, 1))
def removed_server(d, nodest):
    start(d)
    d.sysctl("expire_nodest_conn", nodest)
    for call in ("one@a", "two@a"):
        ask(d, message(call), sport=6000 + len(d.lines))
    d.ipvsadm(f"-d -u {VIP}:{PORT} -r {SERVERS[1]}:{PORT}")
    d.quiet(2)
    for call in ("one@a", "two@a"):
        ask(d, message(call), sport=6000 + len(d.lines))
    d.counts()
    d.ipvsadm(f"-a -u {VIP}:{PORT} -r {SERVERS[1]}:{PORT} -m")
    for call in ("one@a", "two@a", "three@a"):
        ask(d, message(call), sport=6000 + len(d.lines))
    d.counts("it is back")


@case
def engine_comes_and_goes(d):
    start(d, options="-p 300")
    for number, engine in enumerate(("", "--pe sip", "", "--pe sip")):
        d.ipvsadm(f"-E -u {VIP}:{PORT} -s rr -p 300 {engine}")
        for call in ("one@a", "two@a", ""):
            ask(d, message(call), sport=6000 + len(d.lines))
        answer(d, message("new@server"), port=7000 + number)
        d.counts(engine or "without")
    d.ipvsadm("-Lcn")
    d.ipvsadm(f"-D -u {VIP}:{PORT}")
    answer(d, message("new@server"), port=7100)
    d.counts("no service")


# --- servers begin ---

@case(rows=("-p 300 --pe sip", "--pe sip", "-p 300 -M 255.255.255.0 --pe sip", "-p 300", ""))
def server_begins(d, options):
    start(d)
    d.request("the options", genl.SET_SERVICE, genl.service(
        ADDR=genl.address(VIP), PORT=genl.port(PORT), PROTOCOL=genl.u16(17), SCHED_NAME=b"rr\0",
        FLAGS=struct.pack("=II", int("-p" in options), 0xFFFFFFFF), TIMEOUT=genl.u32(300), PE_NAME=(b"sip" if "--pe" in options else b"") + b"\0",
        NETMASK=genl.u32(0x00FFFFFF if "-M" in options else 0xFFFFFFFF)))
    answer(d, message("one@a"))
    d.counts()
    answer(d, message("one@a"), server=SERVERS[1], client=OTHER_CLIENT)
    answer(d, message("two@a"), server=SERVERS[1], port=5070)
    answer(d, b"nothing", port=5080)
    answer(d, message("one@a"), sport=5090)
    answer(d, message("three@a"), server="10.2.0.13")
    ask(d, message("one@a"))
    ask(d, message("two@a"), sport=5070)
    ask(d, message("two@a"), sport=5071)
    ask(d, message("one@a"), OTHER_CLIENT, sport=5072)
    d.proc("ip_vs_conn")
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case(rows=("-m", "-g", "-i"))
def methods_of_servers(d, method):
    start(d, method=method)
    answer(d, message("one@a"))
    d.counts()


@case
def server_takes_a_call_of_another(d):
    start(d)
    ask(d, message("one@a"))
    answer(d, message("one@a"), SERVERS[0], port=6000)
    answer(d, message("one@a"), SERVERS[1], port=6001)
    d.counts()
    ask(d, message("one@a"), sport=6002)
    answer(d, message("one@a"), SERVERS[0], port=6003)
    answer(d, message("one@a"), SERVERS[1], port=6004)
    d.proc("ip_vs_conn")


@case
def servers_take_a_call_from_each_other(d):
    start(d)
    for number in range(40):
        answer(d, message("one@a"), SERVERS[number % 2], port=6000 + number)
    text = d.read("/proc/thread-self/net/ip_vs_conn")
    d.expect("all of them begin a connection", sum(" sip " not in line for line in text.splitlines()[1:]) == 40)
    d.only_rvs("few templates of one call", 2 <= sum(" sip " in line for line in text.splitlines()) <= 17)


@case
def server_of_no_weight_begins(d):
    start(d, limits="-w 0")
    answer(d, message("one@a"))
    d.counts()
    d.sysctl("expire_quiescent_template", 1)
    answer(d, message("one@a"), port=6000)
    d.counts()


@case(rows=("engine first", "engine last"))
def server_of_two_services(d, row):
    d.wires()
    others = [(f"-u {VIP}:{PORT}", "-p 300 --pe sip"), ("-u 10.9.0.2:5070", "-p 200")]
    for service, options in others if row == "engine first" else reversed(others):
        serve(d, service=service, options=options)
    answer(d, message("one@a"))
    d.counts()


@case(rows=("0", "1"))
def stray_packets(d, nat_icmp_send):
    start(d)
    d.sysctl("nat_icmp_send", nat_icmp_send)
    answer(d, message("one@a"))
    answer(d, b"nothing", port=6000)
    d.send("servers", packet.tcp(SERVERS[0], PORT, CLIENT, 7000, SYN), "SYN of the server")
    d.counts()


@case
def server_begins_in_fragments(d):
    start(d)
    large = message("x" * 255, first="INVITE x\r\n" + "X: " + "y" * 900 + "\r\n")
    d.send("servers", packet.fragments(packet.udp(SERVERS[0], PORT, CLIENT, PORT, large), 512), "fragments")
    d.send("servers", packet.udp(SERVERS[1], PORT, CLIENT, PORT + 1, large), "pages", linear=34)
    d.proc("ip_vs_conn")


@case(rows=("conntrack", "no conntrack"))
def tracked(d, row):
    start(d)
    d.sysctl("conntrack", int(row == "conntrack"))
    ask(d, message("one@a"))
    answer(d, message("one@a"))
    answer(d, message("two@a"), SERVERS[1], client=OTHER_CLIENT)
    ask(d, message("two@a"), OTHER_CLIENT)
    d.proc("ip_vs_conn")


@case
def conn_max(d):
    start(d)
    d.sysctl("conn_max", 3)
    for number in range(3):
        ask(d, message(f"{number}@a"), sport=6000 + number)
        answer(d, message(f"{number}@b"), port=7000 + number)
    d.counts()
