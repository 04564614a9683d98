# SPDX-License-Identifier: GPL-2.0
"""The SCTP state machine by scripted packets: every chunk in every state, which packets open an association, how long it lasts."""
import packet
import serving
import topology
from cases import case
from serving import CLIENT, SERVER, VIP

mac = topology.mac
METHODS = {"nat": "-m", "dr": "-g"}
CHUNKS = {"DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT_ACK": 5, "ABORT": 6, "SHUTDOWN": 7,
          "SHUTDOWN_ACK": 8, "ERROR": 9, "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "ECNE": 12, "CWR": 13, "SHUTDOWN_COMPLETE": 14}
# What has to be said to get to a state from the first INIT on; what one direction alone cannot reach is left out.
WAYS = {
    "nat": {"INIT1": "", "INIT": ">INIT", "C-SENT": "<INIT_ACK", "C-REPLIED": "<INIT_ACK >COOKIE_ECHO", "C-WAIT": ">INIT_ACK",
            "COOKIE": ">INIT_ACK >INIT_ACK", "C-ECHOED": "<COOKIE_ECHO", "ESTABLISHED": "<COOKIE_ACK", "S-SENT": "<SHUTDOWN",
            "S-RECEIVED": "<COOKIE_ACK >SHUTDOWN", "S-ACK-SENT": "<SHUTDOWN_ACK", "REJECTED": "<ABORT", "CLOSED": ">SHUTDOWN_COMPLETE"},
    "dr": {"INIT1": "", "INIT": ">INIT", "C-ECHOED": ">INIT_ACK", "ESTABLISHED": ">COOKIE_ECHO", "S-RECEIVED": ">COOKIE_ECHO >SHUTDOWN",
           "CLOSED": ">SHUTDOWN_COMPLETE"},
}


def kernel_has_sctp(d):
    """Loads the kernel's own SCTP, which answers what nothing else takes, so that it does so with both modules."""
    d.expect("the kernel has SCTP", d.execute("modprobe sctp", None)[0] == 0)


def start(d, method="nat", *sysctls, **service):
    kernel_has_sctp(d)
    serving.start(d, *sysctls, letters="--sctp-service", method=METHODS[method], **service)


def chunks(names):
    """Returns the chunks that `A+B` names; a number is the type of one."""
    return [packet.chunk(CHUNKS[name] if name in CHUNKS else int(name), b"abcd") for name in names.split("+") if name]


def say(d, step, sport=40000, port=80):
    """Sends one packet, like `>INIT` from the client or `<INIT_ACK` from the server, and returns it."""
    if step[0] == ">":
        data = packet.sctp(CLIENT, sport, VIP, 80, 7, *chunks(step[1:]))
        d.ends["client"].send(mac("10.1.0.1"), mac(CLIENT), data)
    else:
        data = packet.sctp(SERVER, port, CLIENT, sport, 9, *chunks(step[1:]))
        d.ends["servers"].send(mac("10.2.0.1"), mac(SERVER), data)
    return data


def play(d, script, sport=40000, port=80):
    """Plays steps and writes down what came of each."""
    for step in script.split():
        say(d, step, sport, port)
        d.captured(f"{sport} {step}")
        d.counts()


@case(rows=tuple((f"{method}: {state}", method, state) for method, ways in WAYS.items() for state in ways))
def every_chunk(d, row):
    _, method, state = row
    start(d, method)
    steps = [arrow + name for arrow in (">", "<")[:1 + (method == "nat")] for name in (*CHUNKS, "15", "63", "128", "255", "")]
    for number, step in enumerate(steps):
        for word in (">INIT", *WAYS[method][state].split(), step):
            say(d, word, 41000 + number)
    for number, step in enumerate(steps):
        d.say(f"{41000 + number} {step}")
    d.counts()
    d.captured("all of them")


@case(rows=tuple((f"{method}: {step}", method, step) for method in METHODS for step in (*CHUNKS, "15", "255", "")))
def first_packet_when_sloppy(d, row):
    _, method, name = row
    start(d, method, ("sloppy_sctp", 1))
    play(d, f">{name}")


@case
def first_packet_when_strict(d):
    start(d)
    for number, name in enumerate((*CHUNKS, "15", "255", "")):
        play(d, f">{name}", 41000 + number)


@case(rows=(0, 1))
def bundled_chunks(d, sloppy):
    start(d, "nat", ("sloppy_sctp", sloppy))
    bundles = ("COOKIE_ECHO+ABORT", "COOKIE_ACK+ABORT", "COOKIE_ECHO+DATA+ABORT", "DATA+ABORT", "INIT+ABORT", "ABORT+INIT", "SHUTDOWN+ABORT",
               "COOKIE_ECHO+SHUTDOWN", "COOKIE_ECHO+DATA", "SACK+SHUTDOWN")
    for number, bundle in enumerate(bundles):
        play(d, f">{bundle}", 41000 + number)
        play(d, f">INIT >{bundle}", 42000 + number)
        play(d, f">INIT <INIT_ACK <{bundle}", 43000 + number)


@case
def lengths_of_the_cookie(d):
    """An abort behind a cookie of each length, also where the length is wrong, or the abort is cut off."""
    start(d)
    abort = packet.chunk(6)
    for number, length in enumerate((0, 1, 3, 4, 5, 7, 8, 9, 11, 12, 300, 65521, 65533, 65535)):
        say(d, ">INIT", 41000 + number)
        cookie = bytes([10, 0]) + length.to_bytes(2, "big") + b"a" * (max(length, 4) - 4 if length < 1000 else 8)
        cookie += bytes(-len(cookie) % 4)
        d.send("client", packet.sctp(CLIENT, 41000 + number, VIP, 80, 7, cookie, abort), f"length {length}")
    for number, left in enumerate((0, 1, 2, 3, 4)):
        say(d, ">INIT", 42000 + number)
        d.send("client", packet.sctp(CLIENT, 42000 + number, VIP, 80, 7, packet.chunk(10, b"a"), abort[:left]), f"{left} bytes of the abort")
    d.counts()


@case
def cookie_in_pages(d):
    """An abort behind a cookie that is not where the network header is."""
    start(d)
    for name, device in (("client", "eth0"), ("director", "eth0"), ("director", "eth1"), ("servers", "eth0")):
        topology.batch([f"link set {device} mtu 9000"], name)
    for number, options in enumerate((b"", b"\1" * 12)):
        say(d, ">INIT", 44000 + number)
        data = packet.sctp(CLIENT, 44000 + number, VIP, 80, 7, packet.chunk(10, bytes(200)), packet.chunk(6), packet.chunk(0, bytes(4300)),
                           options=options)
        d.send("client", data, f"{len(options)} bytes of options", linear=14 + 20)
    d.counts()


@case(rows=("nat", "dr"))
def truncated_packets(d, method):
    start(d, method)
    whole = packet.sctp(CLIENT, 40000, VIP, 80, 7, packet.chunk(1, b"abcd"))
    for known in (False, True):
        if known:
            play(d, ">INIT")
        for length in (0, 1, 4, 8, 11, 12, 13, 15, 16, 19):
            d.send("client", packet.ip(CLIENT, VIP, packet.SCTP, whole[20:20 + length]), f"{length} bytes, {'known' if known else 'new'}")
        answer = packet.sctp(SERVER, 80, CLIENT, 40000, 9, packet.chunk(2, b"abcd"))
        for length in (0, 4, 11, 12, 15, 16):
            d.send("servers", packet.ip(SERVER, CLIENT, packet.SCTP, answer[20:20 + length]), f"{length} bytes of an answer")
        d.counts()


@case(rows=tuple((f"mode {mode}, {method}: {state}", mode, method, state) for method in METHODS for mode in (0, 1, 2)
                 for state in ("ESTABLISHED", "CLOSED")))
def port_is_used_again(d, row):
    _, mode, method, state = row
    start(d, method, ("conn_reuse_mode", mode))
    d.control(f"-a --sctp-service {VIP}:80 -r 10.2.0.12:80 {METHODS[method]}")
    play(d, f">INIT {WAYS[method][state]} >INIT >DATA")


@case(rows=("nat", "dr"))
def opening_packet_leaves_a_server_without_weight(d, method):
    start(d, method, ("expire_nodest_conn", 1))
    d.control(f"-a --sctp-service {VIP}:80 -r 10.2.0.12:80 {METHODS[method]}")
    play(d, ">INIT >COOKIE_ECHO")
    d.control(f"-e --sctp-service {VIP}:80 -r 10.2.0.11:80 {METHODS[method]} -w 0", f"-e --sctp-service {VIP}:80 -r 10.2.0.12:80 {METHODS[method]} -w 0")
    play(d, ">DATA >ABORT")
    d.control(f"-e --sctp-service {VIP}:80 -r 10.2.0.11:80 {METHODS[method]} -w 1")
    play(d, ">INIT >DATA")
    d.control(f"-d --sctp-service {VIP}:80 -r 10.2.0.11:80")
    play(d, ">DATA")


@case
def settings_do_not_move_the_timeouts(d):
    start(d)
    d.ipvsadm("--set 20 6 8")
    for number, way in enumerate(WAYS["nat"].values()):
        for step in (">INIT", *way.split()):
            say(d, step, 41000 + number)
    d.captured("all of them")
    d.counts()
    for seconds in (10, 30, 30):
        d.quiet(seconds)
        d.counts(f"{seconds} s later")


@case
def packets_keep_an_association_alive(d):
    start(d)
    play(d, ">INIT <INIT_ACK")
    for step in (">", "<", ">SACK", "<SACK"):
        d.quiet(40)
        play(d, step)
    d.quiet(70)
    d.counts("at the end")
