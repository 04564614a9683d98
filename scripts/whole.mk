# SPDX-License-Identifier: GPL-2.0
# Links the crates, our helpers and the kernel's into one optimised object, by LLVM bitcode; part of Kbuild.
#
# The kernel does the same for itself under CONFIG_RUST_INLINE_HELPERS (scripts/Makefile.build). It works on a kernel
# built by GCC too, if clang and rustc share an LLVM version and clang is given GCC's code-generation flags in its own
# spelling.

rvs-y := whole.o rust/linux/exports.o
rvs_bitcode := $(addprefix $(obj)/,rust/rvs/lib.bc rust/ipvs/lib.bc rust/linux/lib.bc \
	rust/linux/helpers.bc rust/linux/kernel_helpers.bc)

# Kbuild derives these from the list of objects, where the bitcode files are not.
$(rvs_bitcode): private part-of-module := y
$(rvs_bitcode): private modname := rvs
$(rvs_bitcode): private modfile := $(obj)/rvs

# 1. The crates; without the KUnit suites, if RVS_SUITES is not y: what is checked and shown is what users of the module get.
ifeq ($(RVS_SUITES),y)
rvs_rust_cmd = $(rust_common_cmd)
else
rvs_rust_cmd = $(subst @$(objtree)/include/generated/rustc_cfg,@$(obj)/rustc_cfg,$(rust_common_cmd))
$(rvs_bitcode): $(obj)/rustc_cfg
endif
quiet_cmd_rvs_cfg = CFG     $@
      cmd_rvs_cfg = grep -v '^--cfg=CONFIG_KUNIT\(=.*\)\?$$' $< >$@
$(obj)/rustc_cfg: $(objtree)/include/generated/rustc_cfg FORCE
	$(call if_changed,rvs_cfg)
targets += rustc_cfg
quiet_cmd_rvs_crate = RUSTC [B] $@
      cmd_rvs_crate = $(rvs_rust_cmd) --emit=llvm-bc=$@ $<
$(obj)/rust/%/lib.bc: $(src)/rust/%/lib.rs FORCE
	+$(call if_changed_dep,rvs_crate)
$(obj)/rust/rvs/lib.bc: $(obj)/rust/ipvs/lib.bc $(obj)/rust/linux/lib.bc
$(obj)/rust/linux/lib.bc: $(obj)/rust/linux/bindings_generated.rs

# 2. The helpers, every one __always_inline, by clang. What clang does not know, and what serves no inlined function
#    (tracing, sanitizers), goes; what GCC's flags meant comes back in clang's spelling.
rvs_gcc_only := -mno-fp-ret-in-387 -mpreferred-stack-boundary=% -mindirect-branch% -mfunction-return=% \
	-mrecord-mcount -pg -mfentry -fpatchable-function-entry=% -fmin-function-alignment=% \
	-falign-jumps=% -falign-loops=% -fno-allow-store-data-races -fconserve-stack -fno-stack-clash-protection \
	-fzero-init-padding-bits=% -fdiagnostics-show-context% -fsanitize=% -fno-ipa% -fno-partial-inlining \
	-mstack-protector-guard% -mgeneral-regs-only -mharden-sls=% -mskip-rax-setup -mabi=lp64 \
	--param=% -fno-builtin% -D__BINDGEN__ -g -fno-canonical-system-headers -fplugin% -fmacro-prefix-map=%
rvs_clang_x86 := --target=x86_64-linux-gnu -mstack-alignment=8 -mskip-rax-setup \
	-mstack-protector-guard-reg=gs -mstack-protector-guard-symbol=__ref_stack_chk_guard \
	-mretpoline-external-thunk -mindirect-branch-cs-prefix -mfunction-return=thunk-extern -mharden-sls=all
# CONFIG_LTO: plain loads of READ_ONCE could lose their address dependency when Rust code is optimised around them.
rvs_clang_arm64 := --target=aarch64-linux-gnu -mgeneral-regs-only -mbranch-protection=pac-ret -DCONFIG_LTO=1 \
	-mstack-protector-guard=sysreg -mstack-protector-guard-reg=sp_el0 \
	-mstack-protector-guard-offset=$(shell awk '/ TSK_STACK_CANARY / {print $$3}' \
		$(objtree)/include/generated/asm-offsets.h)
# User-mode Linux, which clang built: its flags are in $(c_flags) already.
rvs_clang_um := --target=x86_64-linux-gnu -mcmodel=large -fno-PIC
# Clang built these kernels, too; what their flags say of the code is needed again where bitcode becomes code.
rvs_clang_riscv := --target=riscv64-linux-gnu $(filter -march=% -mabi=% -mcmodel=% -mno-relax -fno-PIC,$(KBUILD_CFLAGS)) -mno-relax -fno-PIC
rvs_clang_s390 := --target=s390x-linux-gnu $(filter -march=% -mpacked-stack -mbackchain -msoft-float,$(KBUILD_CFLAGS)) -fPIC
rvs_clang := $(rvs_clang_$(SRCARCH)) -fno-builtin-wcslen -Wno-everything -g
rvs_clang_cc ?= clang$(RVS_LLVM)

quiet_cmd_rvs_helpers = CLANG [B] $@
      cmd_rvs_helpers = $(rvs_clang_cc) $(filter-out $(rvs_gcc_only),$(c_flags)) $(rvs_clang) \
	-include $(src)/scripts/clang.h -DRVS_INLINE_HELPERS -emit-llvm -c $< -o $@
$(obj)/rust/linux/helpers.bc: $(src)/rust/linux/helpers.c FORCE
	$(call if_changed_dep,rvs_helpers)
$(obj)/rust/linux/kernel_helpers.bc: $(srctree)/rust/helpers/helpers.c FORCE
	$(call if_changed_dep,rvs_helpers)

# 3. One unit of all, in which everything but the module's two entries is private.
rvs_codegen_x86 := -fcf-protection=branch -mcmodel=kernel -mno-red-zone -mno-sse -mno-mmx -mno-80387
rvs_codegen_arm64 :=
rvs_codegen_riscv :=
rvs_codegen_s390 :=
rvs_codegen_um := -mno-sse -mno-mmx
quiet_cmd_rvs_whole = WHOLE [M] $@
      cmd_rvs_whole = llvm-link$(RVS_LLVM) --suppress-warnings $(filter %.bc,$^) -o $(@:.o=.all.bc) && \
	opt$(RVS_LLVM) -passes=internalize,globaldce -internalize-public-api-list=init_module,cleanup_module \
		$(@:.o=.all.bc) -o $(@:.o=.bc) && \
	$(rvs_clang_cc) -O2 -fno-PIE $(rvs_clang) $(rvs_codegen_$(SRCARCH)) -Wno-override-module \
	-mllvm -trap-unreachable -mllvm -no-trap-after-noreturn -c $(@:.o=.bc) -o $@
$(obj)/whole.o: $(rvs_bitcode) FORCE
	$(call if_changed,rvs_whole)
targets += whole.o $(patsubst $(obj)/%,%,$(rvs_bitcode))
