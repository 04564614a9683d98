// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>

/* Exported, but declared in a private header of net/netfilter. */
void nf_queue_nf_hook_drop(struct net *net);
