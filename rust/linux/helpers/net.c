// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
