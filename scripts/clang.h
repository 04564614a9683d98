/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read after the kernel's configuration when clang compiles helpers for a kernel that GCC built.
 *
 * GCC's kernel reaches per-CPU data through named address spaces. clang knows them too, but drops
 * the segment from memory operands of inline assembly: this_cpu_add() would write to a wild
 * address. The kernel's other way spells the segment out in the assembly.
 */
#undef CONFIG_CC_HAS_NAMED_AS
#undef CONFIG_USE_X86_SEG_SUPPORT

/*
 * Under CONFIG_LTO, which whole.mk sets for arm64, each READ_ONCE() is an acquire, for the sake of
 * pointers. What these headers read by it is no pointer: the count of preemption, a counter of the
 * own CPU, atomic_read().
 */
#ifdef CONFIG_LTO
#undef CONFIG_LTO
#include <asm/percpu.h>
#include <linux/atomic.h>
#ifdef __LINUX_RCUPDATE_H
#error rcupdate.h came too early: it reads published pointers
#endif
#define CONFIG_LTO 1
#undef __ASM_RWONCE_H
#undef __READ_ONCE
#include <asm/rwonce.h>
#endif
