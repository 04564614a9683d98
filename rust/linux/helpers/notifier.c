// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <net/addrconf.h>

__rvs_helper struct net *rvs_helper_dev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

__rvs_helper struct net_device *rvs_helper_netdev_notifier_info_to_dev(void *info)
{
	return netdev_notifier_info_to_dev(info);
}

__rvs_helper int rvs_helper_notifier_from_errno(int error)
{
	return notifier_from_errno(error);
}
