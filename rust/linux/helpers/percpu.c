// SPDX-License-Identifier: GPL-2.0
#include <linux/bottom_half.h>
#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

__rvs_helper unsigned long rvs_helper_alloc_percpu(size_t size)
{
	return (__force unsigned long)__alloc_percpu(size, SMP_CACHE_BYTES);
}

__rvs_helper bool rvs_helper_cpu_possible(unsigned int cpu)
{
	return cpu_possible(cpu);
}

__rvs_helper void rvs_helper_free_percpu(unsigned long words)
{
	free_percpu((__force void __percpu *)words);
}

__rvs_helper void rvs_helper_local_bh_disable(void)
{
	local_bh_disable();
}

__rvs_helper void rvs_helper_local_bh_enable(void)
{
	local_bh_enable();
}

__rvs_helper unsigned int rvs_helper_nr_cpu_ids(void)
{
	return nr_cpu_ids;
}

__rvs_helper u64 *rvs_helper_per_cpu_ptr(unsigned long words, unsigned int cpu)
{
	return per_cpu_ptr((__force u64 __percpu *)words, cpu);
}

__rvs_helper void rvs_helper_preempt_disable(void)
{
	preempt_disable();
}

__rvs_helper void rvs_helper_preempt_enable(void)
{
	preempt_enable();
}

__rvs_helper void rvs_helper_this_cpu_add(unsigned long word, u64 value)
{
#if defined(CONFIG_UML) && defined(CONFIG_64BIT) && !defined(CONFIG_SMP)
	/* One CPU, and one instruction: what this_cpu_add() is on the machine with that CPU. */
	raw_cpu_add(*(__force u64 __percpu *)word, value);
#else
	this_cpu_add(*(__force u64 __percpu *)word, value);
#endif
}

__rvs_helper u64 *rvs_helper_this_cpu_ptr(unsigned long words)
{
	return this_cpu_ptr((__force u64 __percpu *)words);
}

__rvs_helper u64 rvs_helper_this_cpu_read(unsigned long word)
{
	return this_cpu_read(*(__force u64 __percpu *)word);
}
