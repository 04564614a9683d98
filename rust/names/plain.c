// SPDX-License-Identifier: GPL-2.0
/* ip_vs_<scheduler> and ip_vs_pe_sip, each from this file: see Kbuild. */
#include "needs.h"

MODULE_DESCRIPTION("IP Virtual Server: the name of a part of rvs");

NEEDS(rvs_is_there);
NEEDS(rvs_name_ip_vs);
