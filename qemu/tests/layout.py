# SPDX-License-Identifier: GPL-2.0
"""Every struct offset the module uses is the running kernel's, by its own BTF."""
import glob
import subprocess

from cases import case


@case(suite="alone")
def offsets_are_the_running_kernels(d):
    subprocess.run(["modprobe", "nf_conntrack"], check=True)
    btf = ["/sys/kernel/btf/vmlinux"] + [path for path in glob.glob("/sys/kernel/btf/nf_*")]
    done = subprocess.run(["python3", "/share/scripts/check-layout", "/share/layout.json", *btf], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    d.expect(f"equal layouts ({done.stdout.strip()[-600:]})", done.returncode == 0)
