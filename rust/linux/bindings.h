/* SPDX-License-Identifier: GPL-2.0 */
/* The C headers that bindgen reads for the crate `linux`; everything else comes with helpers.c. */
#include <generated/utsrelease.h>
#include <linux/hrtimer_types.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/skbuff.h>
#include "exports.h"
#include "helpers.c"
