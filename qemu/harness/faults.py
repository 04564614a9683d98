# SPDX-License-Identifier: GPL-2.0
"""Places in the module that ask for memory, and having each of them get none: the kernel's fault injection, aimed by address.

A place is known by the address that its call returns to (`scripts/make-sites`). A request fails only where such an address is on
the stack: one of the module and no other of the kernel. In a thread's own calls every request has its turn by number
(`fail-nth`), and the stack tells which place it was; everywhere else, packets among it, a window of addresses is aimed at.
"""
import ctypes
import errno
import json
import os
import pathlib
import re

import topology

SITES = pathlib.Path("/share/sites.json")
DEBUG = pathlib.Path("/sys/kernel/debug")
SLAB, PAGES = DEBUG / "failslab", DEBUG / "fail_page_alloc"
# Where x86 loads modules when the kernel is where it was linked.
MODULES = (0xffffffffa0000000, 0xffffffffff000000)
EVERYWHERE = (0, 0xffffffffffffffff)
FINIT_MODULE = 313
# Of what is too large for the slab, the pages fail as well, as often as they are asked for.
MANY = 1000


def sites():
    """Returns all places by address: name, address from the start of .text, what is called, and how a stack shows them."""
    return sorted(json.loads(SITES.read_text()), key=lambda site: site["offset"])


def is_array(site):
    """Says whether a place asks for what may be many pages, and gets them elsewhere if the slab has none."""
    return "kv" in site["call"]


def takes_pages(site):
    """Says whether a place may ask for whole pages."""
    return is_array(site) or is_counter(site)


def is_counter(site):
    """Says whether a place asks for memory of each CPU, most of which is there already, a page that is used in part."""
    return "alloc_percpu" in site["call"]


def put(where, **values):
    """Writes settings of one kind of fault."""
    for name, value in values.items():
        (where / name.replace("_", "-")).write_text(str(value))


def window(first, last):
    """Has faults be injected only where an address of this range is on the stack."""
    for where in (SLAB, PAGES):
        put(where, require_start=hex(first), require_end=hex(last))


def function(name):
    """Returns the addresses of a function of the kernel: its first, and that of what comes next."""
    first = None
    for line in open("/proc/kallsyms"):
        address, _, symbol = line.split()[:3]
        if first is not None and int(address, 16) > first:
            return first, int(address, 16)
        if symbol == name:
            first = int(address, 16)
    raise LookupError(name)


def prepare():
    """Has faults reach all requests, those that may wait as well, and be told of; but not those of the search for lost memory."""
    first, last = function("__alloc_object")
    for where in (SLAB, PAGES):
        put(where, reject_start=hex(first), reject_end=hex(last))
        put(where, task_filter="N", interval=1, space=0, ignore_gfp_wait="N", probability=0)
        (where / "verbose").write_text("0")
        (where / "verbose_ratelimit_interval_ms").write_text("0")
    put(PAGES, ignore_gfp_highmem="N", min_order=0)
    put(SLAB, cache_filter="N")


def base():
    """Returns the address of the module's .text."""
    return int(pathlib.Path("/sys/module/rvs/sections/.text").read_text(), 16)


class Armed:
    """Neighbouring places of which the first that asks gets no memory; `at`: where the module will be loaded."""

    def __init__(self, places, at=None):
        at = at or base()
        window(at + places[0]["offset"], at + places[-1]["offset"] + 1)
        self.slab, self.pages = 1, MANY if any(map(takes_pages, places)) else 0
        put(SLAB, times=self.slab, probability=100)
        put(PAGES, times=self.pages, probability=100 if self.pages else 0)

    def disarm(self):
        """Gives memory again; returns whether a place had asked."""
        for where in (SLAB, PAGES):
            put(where, probability=0)
        left = [int((where / "times").read_text()) for where in (SLAB, PAGES)]
        window(*EVERYWHERE)
        return left != [self.slab, self.pages]


def said(file):
    """Returns what the kernel has said since this was last asked."""
    lines = []
    while True:
        try:
            lines += os.read(file, 8192).decode(errors="replace").split(";", 1)[-1].splitlines()[:1]
        except BlockingIOError:
            return lines
        except BrokenPipeError:
            continue


class Turns:
    """Requests of this thread that have the module on their stack get no memory, each when it is its turn."""

    def __init__(self, places):
        self.places = places
        self.log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.log, 0, os.SEEK_END)

    def __enter__(self):
        for where in (SLAB, PAGES):
            put(where, times=-1)
            (where / "verbose").write_text("2")
        return self

    def __exit__(self, *_):
        os.close(self.log)
        for where in (SLAB, PAGES):
            (where / "verbose").write_text("0")
        window(*EVERYWHERE)

    def aim(self, loaded=True):
        """Aims at the module; before it is loaded, at all modules."""
        window(*((base(), base() + self.places[-1]["offset"] + 1) if loaded else MODULES))

    def take(self, number, work):
        """Does some work in which the numberth request fails.

        Returns (what the work returns, whether there were so many, the names of the places on the stack, the stack).
        """
        path = f"/proc/self/task/{os.getpid()}/fail-nth"
        file = os.open(path, os.O_RDWR)
        said(self.log)
        try:
            os.pwrite(file, str(number).encode(), 0)
            result = work()
        finally:
            left = int(os.pread(file, 32, 0).decode().strip("\0\n "))
            os.pwrite(file, b"0", 0)
            os.close(file)
        stack = [line.strip() for line in said(self.log) if "+0x" in line]
        return result, left == 0, [site["name"] for site in self.places if on_stack(site, stack)], stack


def on_stack(site, stack):
    """Says whether a stack leads through a place."""
    return any(f" {site['frame']}" in f" {line}" for line in stack)


def why(site, table):
    """Returns what a table of patterns says about a place, or None."""
    return next((reason for pattern, reason in table.items() if re.search(pattern, f"{site['name']} {site['call']}")), None)


def runs(places, left):
    """Returns the places of `left` in rows: between two neighbours of a row there is no other place."""
    rows, last = [], None
    for number, site in enumerate(places):
        if site["name"] not in left:
            continue
        if last is not None and last == number - 1:
            rows[-1].append(site)
        else:
            rows.append([site])
        last = number
    return rows


def insert_module():
    """Loads rvs as `insmod` does, in this thread; returns the error's name."""
    path = topology.must("modinfo -n rvs").strip()
    with open(path, "rb") as file:
        failed = topology.LIBC.syscall(FINIT_MODULE, file.fileno(), ctypes.c_char_p(b""), 0)
    return errno.errorcode.get(ctypes.get_errno(), "?") if failed else "0"


def make_namespace():
    """Makes a namespace, which goes at once; returns the error's name."""
    failed = topology.LIBC.unshare(os.CLONE_NEWNET)
    name = errno.errorcode.get(ctypes.get_errno(), "?") if failed else "0"
    os.setns(topology.HOME, os.CLONE_NEWNET)
    return name
