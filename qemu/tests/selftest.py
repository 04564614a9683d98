# SPDX-License-Identifier: GPL-2.0
"""The kernel's own selftest ipvs.sh, from the source package: its DR and NAT cases."""
import subprocess

from cases import case

FOLDER = "/share/selftests/netfilter"
# The script as it is, up to where it would start all its cases, of which one is for tunnels.
ONE_CASE = ("cd {folder} && set -- && source <(sed '/^trap cleanup EXIT/,$d' ipvs.sh) && trap cleanup EXIT && "
            "cleanup >/dev/null 2>&1; setup && {name}")


@case(rows=("test_dr", "test_nat"))
def ipvs_sh(d, name):
    done = subprocess.run(["bash", "-c", ONE_CASE.format(folder=FOLDER, name=name)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    d.say(f"ipvs.sh {name}: exit {done.returncode}")
    d.expect(f"{name} passes ({done.stdout.strip()[-200:] if done.returncode else 'quietly'})", done.returncode == 0)
