# SPDX-License-Identifier: GPL-2.0
"""Every struct offset the module uses is the running kernel's, by its own BTF."""
import glob

import topology
from cases import case


@case(suite="alone")
def offsets_are_the_running_kernels(d):
    topology.must("modprobe -a nf_conntrack x_tables")
    btf = ["/sys/kernel/btf/vmlinux", "/sys/kernel/btf/x_tables", *glob.glob("/sys/kernel/btf/nf_*")]
    code, output = topology.run(["python3", "/share/scripts/check-layout", "/share/layout.json", *btf])
    d.expect(f"equal layouts ({output.strip()[-600:]})", code == 0)
