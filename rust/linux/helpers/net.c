// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/ipv6.h>
#include <linux/user_namespace.h>
#include <net/ip.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

__rvs_helper bool rvs_helper_inet_port_requires_bind_service(struct net *net,
							     unsigned short port)
{
	return inet_port_requires_bind_service(net, port);
}

__rvs_helper bool rvs_helper_ipv6_mod_enabled(void)
{
	return ipv6_mod_enabled();
}
