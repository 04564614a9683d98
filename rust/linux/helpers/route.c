// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/route.h>

__rvs_helper struct dst_entry *rvs_helper_dst_check(struct dst_entry *dst, u32 cookie)
{
	return dst_check(dst, cookie);
}

__rvs_helper bool rvs_helper_dev_makes_crc32c(const struct net_device *dev)
{
	return dev->features & NETIF_F_SCTP_CRC;
}

__rvs_helper struct net_device *rvs_helper_dst_dev_rcu(const struct dst_entry *dst)
{
	return dst_dev_rcu(dst);
}

__rvs_helper unsigned short rvs_helper_dst_family(const struct dst_entry *dst)
{
	return dst->ops->family;
}

__rvs_helper bool rvs_helper_dst_hold_safe(struct dst_entry *dst)
{
	return dst_hold_safe(dst);
}

__rvs_helper void rvs_helper_dst_link_failure(struct sk_buff *skb)
{
	dst_link_failure(skb);
}

__rvs_helper u32 rvs_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

/* What routing rules say about the source is left in saddr, as C leaves it in the flow. */
__rvs_helper struct dst_entry *
rvs_helper_ip6_route_output(struct net *net, const struct in6_addr *daddr,
			    struct in6_addr *saddr, u8 flags)
{
	struct flowi6 fl6 = { .daddr = *daddr, .flowi6_flags = flags };
	struct dst_entry *dst = ip6_route_output(net, NULL, &fl6);

	*saddr = fl6.saddr;
	return dst;
}

__rvs_helper struct net_device *rvs_helper_ip6_dst_idev_dev(const struct dst_entry *dst)
{
	const struct inet6_dev *idev = READ_ONCE(dst_rt6_info(dst)->rt6i_idev);

	return idev ? idev->dev : NULL;
}

/* The source is left in saddr, as C leaves it in the flow. */
__rvs_helper struct dst_entry *rvs_helper_ip_route_output_key(struct net *net, __be32 daddr,
							      __be32 *saddr, u8 flags)
{
	struct flowi4 fl4 = { .daddr = daddr, .saddr = *saddr, .flowi4_flags = flags };
	struct rtable *rt = ip_route_output_key(net, &fl4);

	*saddr = fl4.saddr;
	return IS_ERR(rt) ? NULL : &rt->dst;
}

__rvs_helper bool rvs_helper_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

__rvs_helper u32 rvs_helper_rt6_get_cookie(const struct dst_entry *dst)
{
	return rt6_get_cookie(dst_rt6_info(dst));
}

__rvs_helper bool rvs_helper_rt_is_input_route(const struct dst_entry *dst)
{
	return rt_is_input_route(dst_rtable(dst));
}

__rvs_helper unsigned int rvs_helper_rt_flags(const struct dst_entry *dst)
{
	return dst_rtable(dst)->rt_flags;
}

__rvs_helper struct dst_entry *rvs_helper_xfrm_lookup_ipv6(struct net *net, struct dst_entry *dst,
							   const struct in6_addr *daddr,
							   const struct in6_addr *saddr)
{
	struct flowi6 fl6 = { .daddr = *daddr, .saddr = *saddr };
	struct dst_entry *found = xfrm_lookup(net, dst, flowi6_to_flowi(&fl6), NULL, 0);

	return IS_ERR(found) ? NULL : found;
}
