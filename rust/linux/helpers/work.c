// SPDX-License-Identifier: GPL-2.0
#include <linux/workqueue.h>

__rvs_helper struct workqueue_struct *rvs_helper_alloc_workqueue(const char *name)
{
	return alloc_workqueue("%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, name);
}

__rvs_helper void rvs_helper_init_delayed_work(struct delayed_work *work,
					       work_func_t run)
{
	INIT_DELAYED_WORK(work, run);
}

__rvs_helper bool rvs_helper_mod_delayed_work(struct workqueue_struct *queue,
					      struct delayed_work *work,
					      unsigned long delay)
{
	return mod_delayed_work(queue ?: system_dfl_wq, work, delay);
}

__rvs_helper bool rvs_helper_queue_delayed_work(struct workqueue_struct *queue,
						struct delayed_work *work,
						unsigned long delay)
{
	return queue_delayed_work(queue ?: system_dfl_wq, work, delay);
}
