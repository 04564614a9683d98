// SPDX-License-Identifier: GPL-2.0
/* xt_ipvs: rules of iptables that ask for the match find it in rvs. */
#include "needs.h"

MODULE_DESCRIPTION("Xtables: the name of the match ipvs");
MODULE_ALIAS("ipt_ipvs");
MODULE_ALIAS("ip6t_ipvs");

NEEDS(rvs_is_there);
NEEDS(rvs_name_ip_vs);
