# SPDX-License-Identifier: GPL-2.0
"""Real clients and real servers that take the packets out of tunnels with the kernel's own devices."""
from cases import case
from tunnel_packets import KINDS, PLANS

SERVE = ("import socketserver, socket\n"
         "class Server(socketserver.ThreadingTCPServer):\n"
         "    address_family, allow_reuse_address, daemon_threads = socket.FAMILY, True, True\n"
         "class Sum(socketserver.BaseRequestHandler):\n"
         "    def handle(self):\n"
         "        size, want = 0, int(self.request.recv(16))\n"
         "        self.request.sendall(b'.')\n"
         "        while size < want:\n"
         "            size += len(self.request.recv(65536))\n"
         "        self.request.sendall(b'%d' % size)\n"
         "Server(('VIP', 80), Sum).serve_forever()\n")
ASK = ("import socket\n"
       "s = socket.create_connection(('VIP', 80), 10)\n"
       "s.sendall(b'%16d' % SIZE)\n"
       "s.recv(1)\n"
       "s.sendall(bytes(SIZE))\n"
       "print(s.recv(100).decode(), s.getpeername()[0])\n")
# What a server needs to take packets out: a row for each kind and pair of which the kernel has a device.
DEVICES = {"ipip 4in4": ("link add t0 type ipip local SERVER remote any",), "ipip 6in6": ("link add t0 type ip6tnl mode ip6ip6 local SERVER remote any",),
           "ipip 6in4": ("link add t0 type sit local SERVER remote any",), "ipip 4in6": ("link add t0 type ip6tnl mode ipip6 local SERVER remote any",),
           "gre 4in4": ("link add t0 type gre local SERVER remote any",), "gre-csum 4in4": ("link add t0 type gre local SERVER remote any icsum",),
           "gre 6in6": ("link add t0 type ip6gre local SERVER remote any",), "gre 6in4": ("link add t0 type gre local SERVER remote any",),
           "gre 4in6": ("link add t0 type ip6gre local SERVER remote any",)}
for name in ("gue", "gue-csum", "gue-remcsum"):
    DEVICES[f"{name} 4in4"] = ("fou add port 6080 gue", "link add t0 type ipip local SERVER remote any")
    DEVICES[f"{name} 6in6"] = ("fou add port 6080 gue -6", "link add t0 type ip6tnl mode ip6ip6 local SERVER remote any")


def unpacks(d, row, server):
    """Gives the server with this address the device that takes packets out of a kind of tunnel."""
    d.execute("modprobe -a fou fou6")
    for command in (*DEVICES[row], "link set t0 up"):
        code, output = d.execute(f"ip {command.replace('SERVER', server)}", "server1")
        d.expect(f"ip {command}{output.strip() if code else ''}", code == 0)
    d.execute("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.t0.rp_filter=0 net.ipv4.conf.default.rp_filter=0", "server1")


@case(rows=tuple(DEVICES))
def real_server_takes_packets_out(d, row):
    kind, pair = row.split()
    inner, outer = (PLANS[letter] for letter in pair.split("in"))
    d.hosts(1, 1, inner)
    vip, server = inner.vips[0], outer.servers[0]
    if outer is not inner:
        more = " nodad" * (outer.family == 6)
        for where, address in (("director", outer.far), ("server1", server)):
            if outer.family == 6:
                d.execute("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0", where)
            d.execute(f"ip address add {address}/{outer.prefix} dev eth0{more}", where)
    if inner.family == 4:
        # An answer from the virtual address is none that the director, which has it, would send on.
        d.execute("ip route add 10.1.0.0/24 dev eth0", "server1")
    unpacks(d, row, server)
    d.execute(f"ip address add {vip}/{inner.host} dev lo" + " nodad" * (inner.family == 6), "server1")
    family = "AF_INET6" if inner.family == 6 else "AF_INET"
    d.start(["python3", "-c", SERVE.replace("VIP", vip).replace("FAMILY", family)], "server1")
    d.wait("the server to listen", lambda: ":80 " in d.execute("ss -Hltn", "server1")[1])
    d.control(f"-A -t {inner.end(vip, 80)} -s rr", f"-a -t {inner.end(vip, 80)} -r {outer.end(server, 80)} -i {KINDS[kind]}")
    for size in (1, 100000):
        code, output = d.execute(["python3", "-c", ASK.replace("VIP", vip).replace("SIZE", str(size))], "client1")
        d.say(output)
        d.expect(f"{size} bytes arrive", code == 0 and output.split() == [str(size), vip])
    d.proc("ip_vs")
