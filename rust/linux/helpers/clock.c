// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/timekeeping.h>

static const unsigned int RVS_CONST_HZ = HZ;

__rvs_helper unsigned long rvs_helper_jiffies(void)
{
	return jiffies;
}
