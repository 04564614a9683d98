// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/smp.h>

__rvs_helper void *rvs_helper_kmem_cache_alloc_atomic(struct kmem_cache *cache)
{
	void *object = kmem_cache_alloc(cache, GFP_ATOMIC | __GFP_NOWARN);

	/* With a constructor the kernel fills nothing in, not even to find what is never written. */
	if (IS_ENABLED(CONFIG_KASAN) && object)
		memset(object, 0x5a, kmem_cache_size(cache));
	return object;
}

__rvs_helper struct kmem_cache *rvs_helper_kmem_cache_create(unsigned int size,
							     void (*ctor)(void *))
{
	struct kmem_cache_args args = {
		.align = 64,
		.ctor = ctor,
		/* Inside the object, which would grow by a line otherwise. */
		.use_freeptr_offset = true,
		.freeptr_offset = 0,
	};

	return kmem_cache_create("rvs_conn", size, &args, SLAB_HWCACHE_ALIGN);
}

/* Memory that is worth neither the OOM killer nor a warning. */
__rvs_helper void *rvs_helper_kvmalloc_spare(size_t size)
{
	return kvmalloc(size, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
}

__rvs_helper unsigned int rvs_helper_raw_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
