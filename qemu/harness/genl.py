# SPDX-License-Identifier: GPL-2.0
"""A small generic netlink client: requests to the IPVS family byte by byte, replies as readable text."""
import collections
import errno
import socket
import struct

NETLINK_GENERIC, SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 16, 270, 10, 11
NLMSG_ERROR, NLMSG_DONE, GENL_ID_CTRL = 2, 3, 16
F_REQUEST, F_MULTI, F_ACK, F_DUMP, F_CAPPED, F_ACK_TLVS = 1, 2, 4, 0x300, 0x100, 0x200

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = range(1, 9)
NEW_DAEMON, DEL_DAEMON, GET_DAEMON, SET_CONFIG, GET_CONFIG, SET_INFO, GET_INFO, ZERO, FLUSH = range(9, 18)
COMMANDS = ("UNSPEC NEW_SERVICE SET_SERVICE DEL_SERVICE GET_SERVICE NEW_DEST SET_DEST DEL_DEST GET_DEST NEW_DAEMON "
            "DEL_DAEMON GET_DAEMON SET_CONFIG GET_CONFIG SET_INFO GET_INFO ZERO FLUSH").split()

SERVICE, DEST, DAEMON, TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP = range(1, 7)
NAMES = {
    "top": dict(enumerate("SERVICE DEST DAEMON TIMEOUT_TCP TIMEOUT_TCP_FIN TIMEOUT_UDP".split(), 1)),
    "info": {1: "VERSION", 2: "CONN_TAB_SIZE"},
    "SERVICE": dict(enumerate("AF PROTOCOL ADDR PORT FWMARK SCHED_NAME FLAGS TIMEOUT NETMASK STATS PE_NAME STATS64".split(), 1)),
    "DEST": dict(enumerate("ADDR PORT FWD_METHOD WEIGHT U_THRESH L_THRESH ACTIVE_CONNS INACT_CONNS PERSIST_CONNS STATS "
                           "ADDR_FAMILY STATS64 TUN_TYPE TUN_PORT TUN_FLAGS".split(), 1)),
    "DAEMON": dict(enumerate("STATE MCAST_IFN SYNC_ID SYNC_MAXLEN MCAST_GROUP MCAST_GROUP6 MCAST_PORT MCAST_TTL".split(), 1)),
    "STATS": dict(enumerate("CONNS INPKTS OUTPKTS INBYTES OUTBYTES CPS INPPS OUTPPS INBPS OUTBPS PAD".split(), 1)),
}
NAMES["STATS64"] = NAMES["STATS"]
NUMBERS = {nest: {name: number for number, name in names.items()} for nest, names in NAMES.items()}

# sent: the request; received: the whole messages that came of it.
Answer = collections.namedtuple("Answer", "error extack messages sent received")
Message = collections.namedtuple("Message", "command version flags payload")


def attribute(kind, payload):
    """Returns one netlink attribute."""
    if isinstance(payload, (list, tuple)):
        payload = b"".join(payload)
    return struct.pack("=HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def u8(value):
    return struct.pack("=B", value)


def u16(value):
    return struct.pack("=H", value)


def u32(value):
    return struct.pack("=I", value & 0xFFFFFFFF)


def port(value):
    return struct.pack("!H", value)


def address(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text)


def nest(name, **fields):
    """Returns a SERVICE, DEST or DAEMON nest from `FIELD=payload`; a field that is None is left out."""
    parts = [attribute(NUMBERS[name][field], value) for field, value in fields.items() if value is not None]
    return attribute(NUMBERS["top"][name], parts)


def service(**changes):
    """Returns a complete SERVICE nest: TCP 10.9.0.1:80, rr; with changes, None to leave a field out."""
    fields = dict(AF=u16(socket.AF_INET), PROTOCOL=u16(6), ADDR=address("10.9.0.1"), PORT=port(80), FWMARK=None,
                  SCHED_NAME=b"rr\0", FLAGS=struct.pack("=II", 0, 0xFFFFFFFF), TIMEOUT=u32(0), NETMASK=u32(0xFFFFFFFF))
    return nest("SERVICE", **{**fields, **changes})


def dest(**changes):
    """Returns a complete DEST nest: 10.2.0.11:80, NAT, weight 1; with changes, None to leave a field out."""
    fields = dict(ADDR=address("10.2.0.11"), PORT=port(80), FWD_METHOD=u32(0), WEIGHT=u32(1), U_THRESH=u32(0), L_THRESH=u32(0))
    return nest("DEST", **{**fields, **changes})


def parse(data):
    """Yields (type, payload) of each attribute."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4 or length > len(data):
            return
        yield kind, data[4:length]
        data = data[(length + 3) & ~3:]


def show(payload, names="top"):
    """Returns attributes as text lines, in their order, nests indented, payloads in hexadecimal."""
    lines = []
    for kind, value in parse(payload):
        name = NAMES[names].get(kind & 0x3FFF, f"#{kind}") + (" nested-flag" if kind & 0x8000 else "")
        if name in NAMES and name != "top":
            lines += [f"{name}:"] + ["  " + line for line in show(value, name)]
        else:
            lines.append(f"{name} {len(value)} {value.hex()}")
    return lines


class Client:
    """A generic netlink socket of the namespace the caller is in."""

    def __init__(self, family="IPVS", explained=True):
        """Makes one that is `explained` why a request is refused, or one as of old: refusals repeat the request."""
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        if explained:
            self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
            self.socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.socket.bind((0, 0))
        self.sequence = 1
        self.family = GENL_ID_CTRL
        answer = self.request(3, attribute(2, family.encode() + b"\0"))
        found = [value for message in answer.messages for kind, value in parse(message.payload) if kind == 1]
        if not found:
            raise OSError(answer.error or errno.ENOENT, f"no generic netlink family {family}")
        self.family = struct.unpack("=H", found[0])[0]

    def close(self):
        self.socket.close()

    def request(self, command, payload=b"", flags=F_ACK, version=1):
        """Sends one request and collects everything up to its acknowledgement or the end of its dump."""
        self.sequence += 1
        header = struct.pack("=BBH", command, version, 0)
        sent = struct.pack("=IHHII", 16 + len(header) + len(payload), self.family, F_REQUEST | flags, self.sequence, 0) + header + payload
        self.socket.send(sent)
        messages, received = [], []
        while True:
            data = self.socket.recv(1 << 20)
            while len(data) >= 16:
                length, kind, flags_back, sequence, _ = struct.unpack_from("=IHHII", data)
                received.append(data[:(length + 3) & ~3])
                body, data = data[16:length], data[(length + 3) & ~3:]
                if sequence != self.sequence:
                    continue
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return Answer(-struct.unpack_from("=i", body)[0], extack(kind, flags_back, body), messages, sent, received)
                messages.append(Message(body[0], body[1], flags_back, body[4:]))

    def raw(self, answer):
        """Returns whole messages, padding included, in hexadecimal, but for what is another at each time or repeats the request."""
        return [self.raw_message(message, answer.sent) for message in answer.received]

    def raw_message(self, message, sent):
        """The same of one message."""
        length, kind, flags, sequence, where = struct.unpack_from("=IHHII", message)
        kind = "family" if kind == self.family else kind
        ends = [name for name, right in (("sequence", sequence == struct.unpack_from("=I", sent, 8)[0]),
                                         ("port", where == self.socket.getsockname()[0])) if not right]
        rest = message[16:].hex().replace(sent.hex(), " request ").replace(sent[:16].hex(), " header of the request ")
        return " ".join([f"{length} {kind} {flags:#x}", *(f"another {name}" for name in ends), rest])

    def dump(self, command, payload=b""):
        return self.request(command, payload, F_DUMP)


def extack(kind, flags, body):
    """Returns the sentence of an acknowledgement, or None."""
    if not flags & F_ACK_TLVS:
        return None
    skip = 4 if kind == NLMSG_DONE else 20
    if kind == NLMSG_ERROR and not flags & F_CAPPED:
        skip = 4 + struct.unpack_from("=I", body, 4)[0]
    texts = [value.rstrip(b"\0").decode() for number, value in parse(body[skip:]) if number == 1]
    return texts[0] if texts else None


def error_name(number):
    """Returns `EINVAL` for 22, `0` for none."""
    return errno.errorcode.get(number, str(number)) if number else "0"


def command_name(number):
    return COMMANDS[number] if number < len(COMMANDS) else f"#{number}"


def text(answer):
    """Returns the lines of an answer: the error, then every message."""
    lines = [f"error {error_name(answer.error)}"]
    for message in answer.messages:
        nest_names = "info" if message.command == SET_INFO else "top"
        lines.append(f"{command_name(message.command)} version {message.version} flags {message.flags:#x}")
        lines += ["  " + line for line in show(message.payload, nest_names)]
    return lines
