// SPDX-License-Identifier: GPL-2.0
/* ip_vs: programs that ask for the netlink family get it, and rvs its largest connection table. */
#include "needs.h"

MODULE_DESCRIPTION("IP Virtual Server: brings in rvs");
MODULE_ALIAS("net-pf-16-proto-16-family-IPVS");

NEEDS(rvs_is_there);
module_param_named(conn_tab_bits, rvs_conn_tab_bits, int, 0444);
MODULE_PARM_DESC(conn_tab_bits, "Largest size of the connection table, as a power of two (8 to 27)");

const char rvs_name_ip_vs;
EXPORT_SYMBOL_GPL(rvs_name_ip_vs);
