// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/sysctl.h>

__rvs_helper int rvs_helper_cpulist_parse(const char *text, struct cpumask *mask)
{
	return cpulist_parse(text, mask);
}

__rvs_helper void rvs_helper_cpumask_and_current(struct cpumask *mask)
{
	cpumask_and(mask, mask, current->cpus_ptr);
}

__rvs_helper void rvs_helper_cpumask_copy(struct cpumask *to,
					  const struct cpumask *from)
{
	cpumask_copy(to, from);
}

__rvs_helper int rvs_helper_cpumask_print(char *buffer, size_t size,
					  const struct cpumask *mask)
{
	return scnprintf(buffer, size, "%*pbl\n", cpumask_pr_args(mask));
}

/* Called in an RCU read section, which keeps the mask. */
__rvs_helper int rvs_helper_housekeeping_print_kthread(char *buffer, size_t size)
{
	return rvs_helper_cpumask_print(buffer, size,
					housekeeping_cpumask(HK_TYPE_KTHREAD));
}
