# SPDX-License-Identifier: GPL-2.0
"""Every setting can be read where CPUs are isolated; the log tells when a mask is used outside its RCU section."""
import pathlib
import subprocess

from cases import case
from loading import modprobe

SETTINGS = pathlib.Path("/proc/sys/net/ipv4/vs")


@case(suite="isolated")
def every_setting_is_read(d):
    isolated = pathlib.Path("/sys/devices/system/cpu/isolated").read_text().strip()
    d.expect(f"CPU 1 is isolated, not '{isolated}'", isolated == "1")
    d.expect("rvs loads", modprobe("rvs") == 0)
    settings = {path.name: path.read_text() for path in SETTINGS.iterdir()}
    d.expect("there are settings", len(settings) > 20)
    d.expect(f"estimation is kept off it: {settings['est_cpulist']!r}", settings["est_cpulist"] == "0\n")
    log = subprocess.run(["dmesg"], text=True, stdout=subprocess.PIPE, check=True).stdout
    d.expect("no mask is used outside its section", "suspicious RCU usage" not in log)
