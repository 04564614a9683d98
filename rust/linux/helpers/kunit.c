// SPDX-License-Identifier: GPL-2.0
/* What the KUnit suites alone need. */
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <net/net_namespace.h>

#if IS_BUILTIN(CONFIG_KUNIT)

/*
 * A packet of the first namespace that came over loopback, its first bytes linear and the others, at
 * most a page of them, in a page. Null if there is no memory.
 */
__rvs_helper struct sk_buff *rvs_helper_kunit_skb(const u8 *bytes, u32 linear, u32 paged)
{
	struct sk_buff *skb = alloc_skb(NET_SKB_PAD + MAX_HEADER + linear, GFP_KERNEL);
	struct page *page = paged ? alloc_page(GFP_KERNEL) : NULL;

	if (!skb || (paged && !page)) {
		kfree_skb(skb);
		if (page)
			__free_page(page);
		return NULL;
	}
	skb_reserve(skb, NET_SKB_PAD + MAX_HEADER);
	skb_put_data(skb, bytes, linear);
	if (page) {
		memcpy(page_address(page), bytes + linear, paged);
		skb_add_rx_frag(skb, 0, page, 0, paged, PAGE_SIZE);
	}
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb->protocol = (bytes[0] >> 4 == 6) ? htons(ETH_P_IPV6) : htons(ETH_P_IP);
	skb->dev = init_net.loopback_dev;
	return skb;
}

__rvs_helper void rvs_helper_kunit_skb_set_csum(struct sk_buff *skb, __wsum sum)
{
	skb->ip_summed = CHECKSUM_COMPLETE;
	skb->csum = sum;
}

#endif
