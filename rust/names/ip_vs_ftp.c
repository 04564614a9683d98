// SPDX-License-Identifier: GPL-2.0
/* ip_vs_ftp: has the parameter by which programs tell the ports of FTP. */
#include "needs.h"

MODULE_DESCRIPTION("IP Virtual Server: the name of the helper for FTP");

NEEDS(rvs_is_there);
NEEDS(rvs_name_ip_vs);

static unsigned short ports[8] = { 21 };
static unsigned int ports_count = 1;
module_param_array(ports, ushort, &ports_count, 0444);
MODULE_PARM_DESC(ports, "Ports of FTP's control connections");
