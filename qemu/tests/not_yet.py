# SPDX-License-Identifier: GPL-2.0
"""Every row of docs/not-yet.md: what is not there yet is refused with its errno and a sentence, never silently taken."""
import pathlib
import re
import struct

import genl
from cases import case
from genl import address, port, u16, u32

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/not-yet.md"
WORDS = {"AF": u16, "PROTOCOL": u16, "PORT": port, "ADDR": address, "TIMEOUT": u32, "NETMASK": u32, "FWD_METHOD": u32,
         "STATE": u32, "SYNC_ID": u32}


def rows(heading):
    """Returns the cells of the table under a heading, without its two head lines."""
    if not DOCUMENT.exists():
        return ()
    section = DOCUMENT.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return tuple(tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines)


def field(name, value):
    """Returns the payload of one attribute of the request language: NAME=VALUE."""
    if name in ("SCHED_NAME", "PE_NAME", "MCAST_IFN"):
        return value.encode() + b"\0"
    if name == "FLAGS":
        return struct.pack("=II", int(value), 0xFFFFFFFF)
    return WORDS[name](value if name == "ADDR" else int(value))


def netlink(d, what, kind, fields):
    """Sends one request of the request language and returns the name of its errno and its sentence."""
    values = {name: field(name, value) for name, value in (word.split("=", 1) for word in fields)}
    if kind == "service":
        answer = d.request(what, genl.NEW_SERVICE, genl.service(**values))
    elif kind == "dest":
        d.request("a service", genl.NEW_SERVICE, genl.service())
        answer = d.request(what, genl.NEW_DEST, genl.service(), genl.dest(**values))
    else:
        answer = d.request(what, genl.NEW_DAEMON, genl.nest("DAEMON", **values))
    name = genl.error_name(answer.error)
    return "EOPNOTSUPP" if name == "ENOTSUP" else name, answer.extack


@case(rows=rows("Requests that are refused"), only=("rvs",))
def request_is_refused(d, row):
    what, request, errno, sentence = row
    d.bare()
    kind, *words = request.split()
    found, said = netlink(d, what, kind, words)
    d.expect(f"{errno}, found {found}", found == errno)
    d.expect(f"“{sentence}”, found “{said}”", said == sentence)
    d.ipvsadm("-Ln")


@case(rows=rows("Files that stay empty"), only=("rvs",))
def file_stays_empty(d, row):
    d.bare()
    d.expect("a head line and nothing else", len(d.read(f"/proc/thread-self/net/{row[1]}").splitlines()) == 1)


@case(rows=rows("Settings that are kept and have no effect"), only=("rvs",))
def setting_is_kept(d, row):
    d.bare()
    for name in re.split(" +", row[1]):
        d.expect(f"{name} is there", not d.read(f"/proc/sys/net/ipv4/vs/{name}").startswith("E"))
