// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/udp.h>

__rvs_helper void rvs_helper_dst_update_pmtu(struct dst_entry *dst, struct sock *sk, u32 mtu)
{
	if (dst->ops->update_pmtu)
		dst->ops->update_pmtu(dst, sk, NULL, mtu, true);
}

__rvs_helper void rvs_helper_ip_select_ident(struct net *net, struct sk_buff *skb)
{
	ip_select_ident(net, skb, NULL);
}

__rvs_helper void rvs_helper_ipcb_clear_options(struct sk_buff *skb)
{
	memset(&IPCB(skb)->opt, 0, sizeof(IPCB(skb)->opt));
}

__rvs_helper unsigned int rvs_helper_ll_reserved_space(const struct net_device *dev)
{
	return LL_RESERVED_SPACE(dev);
}

__rvs_helper bool rvs_helper_sk_fullsock(const struct sock *sk)
{
	return sk_fullsock(sk);
}

__rvs_helper int rvs_helper_skb_checksum_start_offset(const struct sk_buff *skb)
{
	return skb_checksum_start_offset(skb);
}

__rvs_helper void rvs_helper_skb_clear_cb(struct sk_buff *skb)
{
	memset(skb->cb, 0, sizeof(skb->cb));
}

__rvs_helper u16 rvs_helper_skb_csum_offset(const struct sk_buff *skb)
{
	return skb->csum_offset;
}

__rvs_helper unsigned int rvs_helper_skb_headroom(const struct sk_buff *skb)
{
	return skb_headroom(skb);
}

__rvs_helper void rvs_helper_skb_reset_network_header(struct sk_buff *skb)
{
	skb_reset_network_header(skb);
}

__rvs_helper void rvs_helper_skb_set_encapsulation(struct sk_buff *skb, bool on)
{
	skb->encapsulation = on;
}

__rvs_helper void rvs_helper_skb_set_inner_ipproto(struct sk_buff *skb, u8 protocol)
{
	skb_set_inner_ipproto(skb, protocol);
}

/* The inner packet has no link header: it begins where that would. */
__rvs_helper void rvs_helper_skb_set_inner_mac_header(struct sk_buff *skb)
{
	skb_set_inner_mac_header(skb, skb_inner_network_offset(skb));
}

__rvs_helper void rvs_helper_skb_set_inner_protocol(struct sk_buff *skb, __be16 type)
{
	skb_set_inner_protocol(skb, type);
}

__rvs_helper void rvs_helper_skb_set_transport_header(struct sk_buff *skb, int offset)
{
	skb_set_transport_header(skb, offset);
}

__rvs_helper __be16 rvs_helper_udp_flow_src_port(struct net *net, struct sk_buff *skb)
{
	return udp_flow_src_port(net, skb, 0, 0, false);
}
