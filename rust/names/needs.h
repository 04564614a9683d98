/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small modules without code that bear the names of ip_vs's: where programs look for one of these, they
 * find it, and it brings in rvs. Each needs a symbol of rvs, and all but ip_vs one of ip_vs, as those of
 * the kernel do.
 */
#include <linux/module.h>

#include "../linux/exports.h"

extern const char rvs_name_ip_vs;

#define NEEDS(symbol) static const void *const needs_##symbol __used = &symbol

MODULE_AUTHOR("The rvs authors");
MODULE_LICENSE("GPL");
