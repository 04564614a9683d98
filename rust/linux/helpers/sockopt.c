// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/sockptr.h>
#include <linux/uaccess.h>
#include <net/sock.h>

__rvs_helper unsigned long rvs_helper_copy_from_sockptr(void *to, sockptr_t from,
							 size_t size)
{
	return copy_from_sockptr(to, from, size);
}

__rvs_helper unsigned long rvs_helper_copy_from_user(void *to, const void __user *from,
						     unsigned long size)
{
	return copy_from_user(to, from, size);
}

__rvs_helper unsigned long rvs_helper_copy_to_user(void __user *to, const void *from,
						   unsigned long size)
{
	return copy_to_user(to, from, size);
}

__rvs_helper struct net *rvs_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}
