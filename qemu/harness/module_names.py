# SPDX-License-Identifier: GPL-2.0
"""The modules that bear the names of ip_vs and its parts, as they wait in the guest until rvs-switch lets modprobe see them."""
import contextlib
import os
import pathlib
import shutil

import topology

SCHEDULERS = "rr wrr lc wlc fo ovf lblc lblcr dh sh mh sed nq twos".split()
NAMES = ["ip_vs"] + [f"ip_vs_{name}" for name in SCHEDULERS] + ["ip_vs_ftp", "ip_vs_pe_sip", "xt_ipvs"]
BUILT = pathlib.Path("/share/built")
SWITCH = f"env RVS_MODULES={BUILT} /share/scripts/rvs-switch"

TREE = pathlib.Path("/lib/modules", os.uname().release).resolve()
# What scenarios with rvs-switch load besides rvs.
OTHERS = "nft_compat nf_tables ip_tables iptable_mangle dummy"


def needed(names):
    """Returns the files of modules of the kernel, and of what they need, relative to the tree."""
    needs = {line.split(":")[0]: line.split(":")[1].split() for line in open(TREE / "modules.dep")}
    by_name = {pathlib.Path(path).name.split(".")[0].replace("-", "_"): path for path in needs if path.startswith("kernel/")}
    todo, found = [by_name[name] for name in names if name in by_name], set()
    while todo:
        path = todo.pop()
        found.add(path)
        todo += [one for one in needs[path] if one.startswith("kernel/") and one not in found]
    return sorted(found)


@contextlib.contextmanager
def small_tree():
    """Puts a small copy in the place of the modules' tree: depmod reads all of it, through a slow file system."""
    copy = pathlib.Path("/tmp/tree")
    for path in [*needed([*NAMES, *OTHERS.split()]), "modules.builtin", "modules.builtin.modinfo", "modules.order"]:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / path, copy / path)
    topology.must(f"mount --bind {copy} {TREE}")
    try:
        topology.must("depmod")
        yield
    finally:
        topology.must(f"umount {TREE}")
        shutil.rmtree(copy)


def switch(to):
    """Runs rvs-switch; returns its exit code and what it said."""
    return topology.run(f"{SWITCH} {to}")


def present():
    """Returns which of the names, and rvs, are loaded: {name: (references, modules that need it)}."""
    words = (line.split() for line in open("/proc/modules"))
    return {word[0]: (int(word[2]), sorted(filter(None, word[3].strip("-").split(",")))) for word in words if word[0] in ["rvs", *NAMES]}
