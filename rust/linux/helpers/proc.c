// SPDX-License-Identifier: GPL-2.0
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>

__rvs_helper struct net *rvs_helper_seq_file_net(struct seq_file *seq)
{
	return seq_file_net(seq);
}
