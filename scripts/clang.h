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
