// SPDX-License-Identifier: GPL-2.0
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>

__rvs_helper void rvs_helper_nf_conntrack_alter_reply(struct nf_conn *ct,
				const struct nf_conntrack_tuple *reply)
{
	nf_conntrack_alter_reply(ct, reply);
}

__rvs_helper unsigned int rvs_helper_nf_conntrack_confirm(struct sk_buff *skb)
{
	return nf_conntrack_confirm(skb);
}

__rvs_helper struct nf_conn *rvs_helper_nf_ct_get(const struct sk_buff *skb,
						  unsigned int *ctinfo)
{
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	*ctinfo = info;
	return ct;
}

__rvs_helper bool rvs_helper_nf_ct_is_confirmed(const struct nf_conn *ct)
{
	return nf_ct_is_confirmed(ct);
}

__rvs_helper bool rvs_helper_nf_ct_is_dying(const struct nf_conn *ct)
{
	return nf_ct_is_dying(ct);
}

__rvs_helper bool rvs_helper_nf_ct_kill(struct nf_conn *ct)
{
	return nf_ct_kill(ct);
}

__rvs_helper u16 rvs_helper_nf_ct_l3num(const struct nf_conn *ct)
{
	return nf_ct_l3num(ct);
}

__rvs_helper void rvs_helper_nf_ct_put(struct nf_conn *ct)
{
	nf_ct_put(ct);
}

__rvs_helper void rvs_helper_nf_ct_set_untracked(struct sk_buff *skb)
{
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
}

__rvs_helper struct nf_conn *
rvs_helper_nf_ct_tuplehash_to_ctrack(const struct nf_conntrack_tuple_hash *hash)
{
	return nf_ct_tuplehash_to_ctrack(hash);
}

__rvs_helper void rvs_helper_nf_reset_ct(struct sk_buff *skb)
{
	nf_reset_ct(skb);
}
