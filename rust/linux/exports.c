// SPDX-License-Identifier: GPL-2.0
/* The symbols of exports.h. They are data: no code of this module can be called from another. */
#include <linux/export.h>
#include <linux/module.h>

#include "exports.h"

int rvs_conn_tab_bits = RVS_CONN_TAB_BITS;
EXPORT_SYMBOL_GPL(rvs_conn_tab_bits);

const char rvs_is_there;
EXPORT_SYMBOL_GPL(rvs_is_there);
