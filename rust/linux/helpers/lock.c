// SPDX-License-Identifier: GPL-2.0
#include <linux/spinlock.h>

__rvs_helper void rvs_helper_spin_assert_is_held(spinlock_t *lock)
{
	lockdep_assert_held(lock);
}

__rvs_helper void rvs_helper_spin_lock_bh(spinlock_t *lock)
{
	spin_lock_bh(lock);
}

__rvs_helper void rvs_helper_spin_lock_init(spinlock_t *lock, const char *name,
					    struct lock_class_key *key)
{
#if !defined(CONFIG_DEBUG_SPINLOCK)
	spin_lock_init(lock);
#elif defined(CONFIG_PREEMPT_RT)
	__spin_lock_init(lock, name, key, false);
#else
	__raw_spin_lock_init(spinlock_check(lock), name, key, LD_WAIT_CONFIG);
#endif
}

__rvs_helper int rvs_helper_spin_trylock_bh(spinlock_t *lock)
{
	return spin_trylock_bh(lock);
}

__rvs_helper void rvs_helper_spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock_bh(lock);
}
