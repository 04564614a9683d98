// SPDX-License-Identifier: GPL-2.0
/*
 * Out-of-line copies of C inlines and macros, without policy: at most they pass
 * over what C would do for nothing, or open the section that C asks for. One file
 * for each area of C, functions in alphabetical order.
 */
#include <linux/compiler_types.h>

#include <linux/module.h>

#if defined(RVS_INLINE_HELPERS) && !defined(__BINDGEN__)
#define __rvs_helper __always_inline
MODULE_INFO(rvs_link, "whole");
#else
#define __rvs_helper
MODULE_INFO(rvs_link, "objects");
#endif

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

#include "helpers/clock.c"
#include "helpers/conntrack.c"
#include "helpers/encap.c"
#include "helpers/genl.c"
#include "helpers/icmp.c"
#include "helpers/kunit.c"
#include "helpers/lock.c"
#include "helpers/memory.c"
#include "helpers/module.c"
#include "helpers/net.c"
#include "helpers/netfilter.c"
#include "helpers/notifier.c"
#include "helpers/percpu.c"
#include "helpers/proc.c"
#include "helpers/random.c"
#include "helpers/rcu.c"
#include "helpers/route.c"
#include "helpers/skb.c"
#include "helpers/sockopt.c"
#include "helpers/sysctl.c"
#include "helpers/table.c"
#include "helpers/work.c"
