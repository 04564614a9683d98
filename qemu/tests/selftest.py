# SPDX-License-Identifier: GPL-2.0
"""The kernel's own selftest ipvs.sh, from the source package: all its cases."""
import topology
from cases import case

FOLDER = "/share/selftests/netfilter"
# The script as it is, up to where it would start all its cases.
ONE_CASE = ("cd {folder} && set -- && source <(sed '/^trap cleanup EXIT/,$d' ipvs.sh) && trap cleanup EXIT && "
            "cleanup >/dev/null 2>&1; setup && {name}")


@case(rows=("test_dr", "test_nat", "test_tun"))
def ipvs_sh(d, name):
    # It takes the devices for tunnels that are there in each new namespace.
    topology.set_sysctl(None, "net/core/fb_tunnels_only_for_init_net", 0)
    code, output = topology.run(["bash", "-c", ONE_CASE.format(folder=FOLDER, name=name)], stdin="")
    topology.set_sysctl(None, "net/core/fb_tunnels_only_for_init_net", 1)
    d.say(f"ipvs.sh {name}: exit {code}")
    d.expect(f"{name} passes ({output.strip()[-200:] if code else 'quietly'})", code == 0)
