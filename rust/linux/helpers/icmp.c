// SPDX-License-Identifier: GPL-2.0
#include <linux/icmpv6.h>
#include <net/addrconf.h>
#include <net/icmp.h>
#include <net/ipv6.h>

__rvs_helper void rvs_helper_icmp_send(struct sk_buff *skb, int type, int code,
				       __be32 info)
{
	icmp_send(skb, type, code, info);
}

__rvs_helper void rvs_helper_icmpv6_send(struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	icmpv6_send(skb, type, code, info);
}

/* Called in an RCU read section; the device may be none. */
__rvs_helper void rvs_helper_ip6_inc_hdr_errors(struct net *net,
						const struct net_device *dev)
{
	struct inet6_dev *idev = __in6_dev_get_safely(dev);

	IP6_INC_STATS(net, idev, IPSTATS_MIB_INHDRERRORS);
}
