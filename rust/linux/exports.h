/* SPDX-License-Identifier: GPL-2.0 */
/* What this module offers to others: only those below rust/names/ need it. */

/* The largest connection table that users want, as a power of two; a parameter of the module ip_vs. */
extern int rvs_conn_tab_bits;

/* Its value until a user gives one: what the memory has room for. */
#define RVS_CONN_TAB_BITS 27

/* Says nothing: a module that needs it brings this one in. */
extern const char rvs_is_there;
