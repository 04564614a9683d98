// SPDX-License-Identifier: GPL-2.0
#include <net/icmp.h>

__rvs_helper void rvs_helper_icmp_send(struct sk_buff *skb, int type, int code,
				       __be32 info)
{
	icmp_send(skb, type, code, info);
}
