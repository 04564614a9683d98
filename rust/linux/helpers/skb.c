// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/gso.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/route.h>

__rvs_helper bool rvs_helper_dev_is_loopback(const struct net_device *dev)
{
	return dev->flags & IFF_LOOPBACK;
}

__rvs_helper bool rvs_helper_inet_nodefrag(const struct sock *sk)
{
	return sk_fullsock(sk) && sk->sk_family == PF_INET &&
	       inet_test_bit(NODEFRAG, sk);
}

__rvs_helper int rvs_helper_ip_defrag(struct net *net, struct sk_buff *skb, u32 user)
{
	int error;

	local_bh_disable();
	error = ip_defrag(net, skb, user);
	local_bh_enable();
	return error;
}

__rvs_helper struct iphdr *rvs_helper_ip_hdr(const struct sk_buff *skb)
{
	return ip_hdr(skb);
}

__rvs_helper unsigned int rvs_helper_ip6cb_frag_max_size(const struct sk_buff *skb)
{
	return IP6CB(skb)->frag_max_size;
}

__rvs_helper void rvs_helper_ip_inc_hdr_errors(struct net *net)
{
	IP_INC_STATS(net, IPSTATS_MIB_INHDRERRORS);
}

__rvs_helper void rvs_helper_kfree_skb(struct sk_buff *skb)
{
	kfree_skb(skb);
}

/*
 * own passes over packets that IPVS has handled: where it is the only hook, such a packet leaves at
 * once. Called in an RCU read section.
 */
__rvs_helper int rvs_helper_nf_hook_local_out(u8 pf, struct net *net,
					      struct sk_buff *skb,
					      nf_hookfn *own)
{
	const struct nf_hook_entries *hooks;

	hooks = rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_OUT]);
	if (skb->ipvs_property && pf == NFPROTO_IPV4 && hooks && hooks->num_hook_entries == 1 &&
	    hooks->hooks[0].hook == own)
		return dst_output(net, NULL, skb);
	return NF_HOOK(pf, NF_INET_LOCAL_OUT, net, NULL, skb, NULL,
		       skb_dst(skb)->dev, dst_output);
}

__rvs_helper bool rvs_helper_pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return pskb_may_pull(skb, len);
}

/* What follows the headers may be a clone's as well: each write asks for the bytes it needs. */
__rvs_helper int rvs_helper_skb_cow_head(struct sk_buff *skb, unsigned int headroom)
{
	return skb_cow_head(skb, headroom);
}

__rvs_helper void rvs_helper_skb_clear_tstamp(struct sk_buff *skb)
{
	skb_clear_tstamp(skb);
}

/* skb_crc32c() is there where something needs it, as SCTP and its tracking do. */
__rvs_helper bool rvs_helper_skb_crc32c(const struct sk_buff *skb, int offset, int len, u32 *crc)
{
#ifdef CONFIG_NET_CRC32C
	*crc = ~skb_crc32c(skb, offset, len, ~0);
	return true;
#else
	return false;
#endif
}

__rvs_helper bool rvs_helper_skb_csum_unnecessary(const struct sk_buff *skb)
{
	return skb_csum_unnecessary(skb);
}

__rvs_helper struct dst_entry *rvs_helper_skb_dst(const struct sk_buff *skb)
{
	return skb_dst(skb);
}

__rvs_helper void rvs_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

__rvs_helper void rvs_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set(skb, dst);
}

__rvs_helper void rvs_helper_skb_dst_set_noref(struct sk_buff *skb,
					       struct dst_entry *dst)
{
	skb_dst_set_noref(skb, dst);
}

/* A linear packet of which there is no clone need not be asked about. */
__rvs_helper int rvs_helper_skb_ensure_writable(struct sk_buff *skb, unsigned int len)
{
	if (skb_headlen(skb) >= len && !skb_cloned(skb))
		return 0;
	return skb_ensure_writable(skb, len);
}

__rvs_helper void rvs_helper_skb_forward_csum(struct sk_buff *skb)
{
	skb_forward_csum(skb);
}

__rvs_helper unsigned int rvs_helper_skb_headlen(const struct sk_buff *skb)
{
	return skb_headlen(skb);
}

__rvs_helper unsigned int rvs_helper_skb_ip_summed(const struct sk_buff *skb)
{
	return skb->ip_summed;
}

__rvs_helper bool rvs_helper_skb_ipvs_property(const struct sk_buff *skb)
{
	return skb->ipvs_property;
}

__rvs_helper bool rvs_helper_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

__rvs_helper u32 rvs_helper_skb_mark(const struct sk_buff *skb)
{
	return skb->mark;
}

__rvs_helper int rvs_helper_skb_network_offset(const struct sk_buff *skb)
{
	return skb_network_offset(skb);
}

__rvs_helper void rvs_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__rvs_helper bool rvs_helper_skb_pkt_type_is_host(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST;
}

__rvs_helper void rvs_helper_skb_set_dev(struct sk_buff *skb, struct net_device *dev)
{
	skb->dev = dev;
}

__rvs_helper void rvs_helper_skb_set_ignore_df(struct sk_buff *skb)
{
	skb->ignore_df = 1;
}

__rvs_helper void rvs_helper_skb_set_ip_summed(struct sk_buff *skb, u8 summed)
{
	skb->ip_summed = summed;
}

__rvs_helper void rvs_helper_skb_set_ipvs_property(struct sk_buff *skb)
{
	skb->ipvs_property = 1;
}
