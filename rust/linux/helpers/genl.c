// SPDX-License-Identifier: GPL-2.0
#include <net/genetlink.h>
#include <net/netlink.h>

__rvs_helper void rvs_helper_genlmsg_cancel(struct sk_buff *skb, void *hdr)
{
	genlmsg_cancel(skb, hdr);
}

__rvs_helper void rvs_helper_genlmsg_end(struct sk_buff *skb, void *hdr)
{
	genlmsg_end(skb, hdr);
}

__rvs_helper struct sk_buff *rvs_helper_genlmsg_new(size_t payload)
{
	return genlmsg_new(payload, GFP_KERNEL);
}

__rvs_helper int rvs_helper_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

__rvs_helper const struct genl_info *
rvs_helper_genl_info_dump(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}

__rvs_helper struct net *rvs_helper_genl_info_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

/* Whether numbers of eight bytes begin at multiples of eight, by an empty attribute before them. */
__rvs_helper bool rvs_helper_nla_aligns_64bit(void)
{
	return nla_total_size_64bit(0) != nla_total_size(0);
}

/* Where a message in skb, of which nothing is written yet, has its attributes. */
__rvs_helper unsigned long rvs_helper_genlmsg_start(const struct sk_buff *skb)
{
	return (unsigned long)skb_tail_pointer(skb) + NLMSG_HDRLEN + GENL_HDRLEN;
}

__rvs_helper void rvs_helper_nlmsg_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

__rvs_helper const void *rvs_helper_nlmsg_attrdata(const struct nlmsghdr *nlh)
{
	return nlmsg_attrdata(nlh, GENL_HDRLEN);
}

__rvs_helper int rvs_helper_nlmsg_attrlen(const struct nlmsghdr *nlh)
{
	return nlmsg_attrlen(nlh, GENL_HDRLEN);
}
