// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

/* Drops what waits on the list of rust/linux/rcu.rs. */
void rvs_rcu_drop(struct work_struct *work);
static DECLARE_WORK(rvs_rcu_drop_work, rvs_rcu_drop);

__rvs_helper void rvs_helper_cond_resched(void)
{
	cond_resched();
}

__rvs_helper bool rvs_helper_flush_rcu_drop_work(void)
{
	return flush_work(&rvs_rcu_drop_work);
}

__rvs_helper void rvs_helper_might_sleep(void)
{
	might_sleep();
}

__rvs_helper bool rvs_helper_queue_rcu_drop_work(void)
{
	return queue_work(system_dfl_wq, &rvs_rcu_drop_work);
}

__rvs_helper void rvs_helper_rcu_read_lock(void)
{
	rcu_read_lock();
}

__rvs_helper void rvs_helper_rcu_read_unlock(void)
{
	rcu_read_unlock();
}
