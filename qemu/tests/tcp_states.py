# SPDX-License-Identifier: GPL-2.0
"""The TCP state machine by scripted packets: what goes through, the counts and the time-out after every packet."""
import packet
import serving
import topology
from cases import case
from director import Conversation

mac = topology.mac
METHODS = {"nat": "-m", "dr": "-g"}


def start(d, method, *sysctls):
    serving.start(d, *sysctls, letters="-t", method=METHODS[method])
    return Conversation(d, method=method)


SCRIPTS = {
    "open, use, client closes": ("> S", "< SA", "> A", "> PA", "< PA", "> FA", "< A", "< FA", "> A"),
    "open, use, server closes": ("> S", "< SA", "> A", "> PA", "< FA", "> A", "> FA", "< A"),
    "both close at once": ("> S", "< SA", "> A", "> FA", "< FA", "> A", "< A"),
    "reset by the client": ("> S", "< SA", "> A", "> R"),
    "reset by the server": ("> S", "< SA", "> A", "< R"),
    "refused by the server": ("> S", "< RA"),
    "SYN again and again": ("> S", "> S", "> S", "< SA", "> S", "> A"),
    "SYN with ACK opens": ("> SA", "> A"),
    "stray ACK": ("> A", "> PA"),
    "stray FIN": ("> FA",),
    "stray RST": ("> R",),
    "no flags at all": ("> S", "< SA", "> A", ">"),
    "FIN before ACK": ("> S", "< SA", "> FA", "< FA", "> A"),
    "half close lasts": ("> S", "< SA", "> A", "> FA", "< A", "< PA", "> A", "< PA"),
    "SYN in TIME_WAIT": ("> S", "< SA", "> A", "> FA", "< FA", "> A", "> S", "< SA", "> A"),
    "SYN in CLOSE": ("> S", "< SA", "> A", "< R", "> S", "< SA", "> A"),
    "RST then data": ("> S", "< SA", "> A", "> R", "> PA", "< PA"),
}


@case(rows=tuple((f"{method}: {name}", method, name) for method in METHODS for name in SCRIPTS))
def script(d, row):
    _, method, name = row
    conversation = start(d, method)
    steps = [step for step in SCRIPTS[name] if method == "nat" or step.startswith(">")]
    conversation.play(*steps)


@case
def every_event_in_every_state(d):
    conversation = start(d, "nat")
    ways = {"SYN_RECV": ("> S",), "ESTABLISHED": ("> S", "< SA", "> A"), "FIN_WAIT": ("> S", "> A", "< FA"), "CLOSE_WAIT": ("> S", "> A", "> FA"),
            "TIME_WAIT": ("> S", "> A", "> FA", "< FA"), "CLOSE": ("> S", "> A", "> R"), "SYN_SENT": ("> S", "> A", "> FA", "< S")}
    port = 41000
    for state, way in ways.items():
        for event in ("> S", "> FA", "> A", "> R", "< SA", "< FA", "< A", "< R", ">", "<"):
            conversation.sport = port = port + 1
            d.say(f"{state} then {event}")
            for step in (*way, event):
                arrow, *flags = step.split()
                bits = sum({"S": 2, "A": 16, "F": 1, "R": 4}[letter] for letter in (flags or [""])[0])
                if arrow == ">":
                    d.ends["client"].send(mac("10.1.0.1"), mac("10.1.0.2"), packet.tcp("10.1.0.2", port, "10.9.0.1", 80, bits, ack=1))
                else:
                    d.ends["servers"].send(mac("10.2.0.1"), mac("10.2.0.11"), packet.tcp("10.2.0.11", 80, "10.1.0.2", port, bits, ack=1))
    d.captured("the lot")
    d.counts()


@case(rows=("nat", "dr"))
def sloppy_tcp_opens_with_any_packet(d, method):
    conversation = start(d, method, ("sloppy_tcp", 1))
    conversation.play("> A", "> PA", "> R", "> FA")


@case
def secure_tcp_uses_the_other_table(d):
    conversation = start(d, "nat", ("secure_tcp", 3))
    conversation.play("> S", "< SA", "> A", "> FA", "< FA", "> A", "> S")


WHOLE = ("> S", "< SA", "> A", "> PA", "> FA", "< FA", "> A", "> S")


@case(rows=tuple((f"{method}, {mode}, before step {step}", method, mode, step)
                 for method in METHODS for mode in (1, 2, 3) for step in range(1, len(WHOLE))))
def secure_tcp_is_switched_meanwhile(d, row):
    """On before a step and off after the next: what was decided stays until the next packet."""
    _, method, mode, at = row
    conversation = start(d, method)
    steps = [(number, step) for number, step in enumerate(WHOLE) if method == "nat" or step[0] == ">"]
    for number, step in steps:
        if number in (at, at + 2):
            d.sysctl("secure_tcp", mode if number == at else 0)
            # Modes 1 and 2 turn into each other as the memory has it.
            d.quiet(1.5)
            d.sysctl("secure_tcp")
            d.counts("switched")
        conversation.play(step)


@case
def states_run_out(d):
    d.wires()
    d.control("--set 17 6 8", "-A -t 10.9.0.1:80 -s rr", "-a -t 10.9.0.1:80 -r 10.2.0.11:80 -m")
    for number, steps in enumerate((("> S",), ("> S", "< SA", "> A"), ("> S", "< SA", "> A", "> FA"), ("> S", "< SA", "> A", "> R"),
                                    ("> S", "< SA", "> A", "> FA", "< FA"))):
        Conversation(d, sport=42000 + number).play(*steps)
    for seconds in (3, 4, 5, 10, 30, 30, 60):
        d.quiet(seconds)
        d.counts(f"{seconds} s later")


@case
def packets_keep_a_connection_alive(d):
    conversation = start(d, "nat")
    d.ipvsadm("--set 20 6 8")
    conversation.play("> S", "< SA", "> A")
    for _ in range(3):
        d.quiet(15)
        conversation.play("> PA")
    d.quiet(15)
    conversation.play("< PA")
    d.quiet(25)
    d.counts("at the end")


@case
def default_timeouts_to_the_end(d):
    conversation = start(d, "nat")
    conversation.play("> S", "< SA", "> A")
    d.quiet(890)
    d.counts("890 s later")
    # The kernel's timer wheel may be late by a sixty-fourth of so long a time.
    d.quiet(45)
    d.counts("935 s later")
