// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>

__rvs_helper struct dst_entry *rvs_helper_skb_dst(const struct sk_buff *skb)
{
	return skb_dst(skb);
}
