#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds the demo's network for `make shell` and says what to try."""
import demo

demo.build_network()
print(f"""
{demo.__doc__.split(chr(10) * 2, 1)[1].split(chr(10) * 2 + 'Clients', 1)[0]}

This shell runs in the director. For example:
  ipvsadm -A -t {demo.NAT_VIP}:80 -s rr
  ipvsadm -a -t {demo.NAT_VIP}:80 -r 10.2.0.11:80 -m
  ipvsadm -a -t {demo.NAT_VIP}:80 -r 10.2.0.12:80 -m
  ip netns exec client1 curl -s http://{demo.NAT_VIP}/
  ipvsadm -Ln --stats; ipvsadm -Lnc; cat /proc/net/rvs_drops
""")
