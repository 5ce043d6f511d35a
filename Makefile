# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   make          build/pyprof-bpf         make V=1     show the commands
#   make run      with all it needs        make install PREFIX=/usr/local DESTDIR=
#   make check    unit tests               make SAN=1   with ASan and UBSan, in build-san/
#   make test     all tests                make test-long  at full length
#   make fuzz     fuzz targets             make O=dir   build somewhere else
#   make bench    benchmarks               make lint    layering and format
#   make fuzz-run SECONDS=60               each fuzz target on its seeds for so long; -j2: two at a time
#   make wheel                             the package stacktrace, in build/wheels

SAN     ?= 0
O       ?= build$(if $(filter 1,$(SAN)),-san)
CLANG   ?= clang
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
ARCH    := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))

WARN     := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter $(WERROR)
SAN_1    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS   ?= -O2 -g
USER     := -std=gnu11 -D_GNU_SOURCE $(WARN) -Iinclude -Iuserspace -Ibpf -I. -Ipython/src -I$(O)/gen $(SAN_$(SAN)) $(CFLAGS)
BPF      := -target bpf -D__TARGET_ARCH_$(ARCH) -O2 -g -Wall $(WERROR) -Iinclude -Ibpf -I/usr/include/$(shell uname -m)-linux-gnu
LDLIBS   := -pthread -lbpf -lelf -lz -llzma -lunwind-$(shell uname -m) -lunwind -liberty -ljansson -lprotobuf-c -lcap-ng -lcurl -lm

SRCS     := $(sort $(shell find userspace -name '*.[cS]'))
CORE     := $(filter-out userspace/main.c,$(SRCS))
# Wire layouts of other programs: C that is made while building.
PROTOS   := $(patsubst %.proto,$(O)/gen/%.pb-c,$(sort $(wildcard proto/*.proto)))
# The package stacktrace, but for what is Python's own about it: tested here too.
PACKAGE_OBJS := $(patsubst %.c,$(O)/%.o,$(filter-out %/module.c,$(sort $(wildcard python/src/*.c))))
OBJS     := $(addprefix $(O)/,$(addsuffix .o,$(basename $(SRCS)))) $(PROTOS:=.o)
CORE_OBJS := $(addprefix $(O)/,$(addsuffix .o,$(basename $(CORE)))) $(PROTOS:=.o)
BPF_OBJS := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard bpf/*.bpf.c)))
UNIT_OBJS := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/unit/*.c tests/bpf/*.c)))
FUZZ_CORE := $(patsubst %.S,$(O)/%.o,$(CORE:%.c=$(O)/fuzz-obj/%.o)) $(PROTOS:$(O)/%=$(O)/fuzz-obj/%.o)
FUZZERS  := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
E2E_OBJS := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/e2e/*.c)))
SHAPES   := gcc gcc-nopie gcc-cet gcc-static gcc-static-pie gcc-debug-frame clang clang-nopie clang-static clang-lld musl musl-static
CHAINS   := $(addprefix $(O)/tests/workloads/chains/,$(addprefix chains-,$(SHAPES) stripped headerless) \
	    throws-gcc throws-clang throws-static stubs-plt stubs-plt-sec jit corners \
	    libstubs.so plugin.so plugin-stripped.so one.so two.so)
WORKLOADS := $(CHAINS) $(addprefix $(O)/tests/workloads/,native-fp native-nofp syscalls embedder garbage.so)
BENCH_OBJS := $(patsubst %.c,$(O)/%.o,$(filter-out tests/bench/bench_% %.bpf.c tests/bench/levels.c,$(wildcard tests/bench/*.c)) \
	      $(wildcard userspace/base/*.c))
BENCHES  := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/bench/bench_*.c)))
SKEL     := $(O)/gen/pyprof.skel.h

ifneq ($(V),1)
Q   := @
say  = @printf '  %-7s %s\n' $(1) $(patsubst $(O)/%,%,$@);
endif

.PHONY: all run install uninstall build-deps check e2e test test-long wheel fuzz fuzz-run bench lint clean
all: $(O)/pyprof-bpf

$(O)/pyprof-bpf: $(OBJS)
	$(call say,LD)
	$(Q)$(CC) $(USER) $^ $(LDLIBS) -o $@

# Says what is missing; installs nothing.
build-deps:
	$(Q)tools/install_deps.sh build --check

# Make anew, for what was missing may have just come.
run:
	$(Q)tools/install_deps.sh build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)exec $(O)/pyprof-bpf --all

PREFIX ?= /usr/local
install: $(O)/pyprof-bpf
	install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/pyprof-bpf
	ln -sf pyprof-bpf $(DESTDIR)$(PREFIX)/bin/pyflame
	install -D -m 644 userspace/cmd/pyprof-bpf.8 $(DESTDIR)$(PREFIX)/share/man/man8/pyprof-bpf.8
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' tools/pyprof-bpf.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/pyprof-bpf.service

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/pyprof-bpf bin/pyflame share/man/man8/pyprof-bpf.8 lib/systemd/system/pyprof-bpf.service)

$(O)/%.bpf.o: %.bpf.c Makefile | build-deps
	$(call say,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF) -MMD -MP -c $< -o $@

$(SKEL): $(BPF_OBJS)
	$(call say,SKEL)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen object $(@:.skel.h=.bpf.o) $^
	$(Q)$(BPFTOOL) gen skeleton $(@:.skel.h=.bpf.o) name pyprof_bpf > $@

# One run of protoc-c makes both.
$(O)/gen/%.pb-c.c: %.proto | build-deps
	$(call say,PROTO)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(O)/gen $<
$(O)/gen/%.pb-c.h: $(O)/gen/%.pb-c.c ;
$(O)/gen/%.o: $(O)/gen/%.c Makefile
	$(call say,CC)
	$(Q)$(CC) $(USER) -c $< -o $@
$(O)/fuzz-obj/gen/%.o: $(O)/gen/%.c Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(USER) -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@

$(O)/%.o: %.c Makefile | $(SKEL) $(PROTOS:=.h)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER) -MMD -MP -c $< -o $@

# The kernel side's text reads eight bytes wherever it likes: so may x86, and the verifier knows.
$(O)/userspace/python/python_walk.o $(O)/tests/bpf/%.o: USER += $(if $(filter 1,$(SAN)),-fno-sanitize=alignment)

# Assembly, so that files can be embedded with .incbin.
$(O)/%.o: %.S Makefile
	$(call say,AS)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER) -MMD -MP -c $< -o $@

$(O)/userspace/format/assets.o: $(wildcard userspace/format/flamegraph.*)

$(O)/unit: $(UNIT_OBJS) $(CORE_OBJS) $(PACKAGE_OBJS) $(O)/tests/e2e/check.o $(O)/tests/e2e/check_chains.o $(O)/tests/e2e/check_merge.o \
	      $(O)/tests/e2e/perf_script.o
	$(call say,LD)
	$(Q)$(CC) $(USER) $^ $(LDLIBS) -lcriterion -o $@

# Criterion does not count a leak as a failure, so look for reports ourselves.
check: $(O)/unit
	$(Q)rm -rf $(O)/san && mkdir -p $(O)/san
	$(Q)ASAN_OPTIONS=log_path=$(O)/san/report LSAN_OPTIONS=suppressions=tests/leaks.supp:print_suppressions=0 $<
	$(Q)! cat $(O)/san/report.* 2>/dev/null

# End to end: the program is run, not linked. What it profiles is never built with sanitizers.
WORKLOAD := $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g
$(O)/tests/workloads/native-fp: tests/workloads/native.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) -fno-omit-frame-pointer $< -pthread -o $@
$(O)/tests/workloads/native-nofp: tests/workloads/native.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) -fomit-frame-pointer $< -pthread -o $@
$(O)/tests/workloads/syscalls: tests/workloads/syscalls.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) $< -o $@
$(O)/tests/workloads/embedder: tests/workloads/embedder.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) $< -pthread -ldl -o $@
$(O)/tests/workloads/garbage.so: tests/workloads/garbage.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) -fPIC -shared -nostdlib -ffreestanding $< -o $@

# One program in many shapes: each leaves something else to unwind by.
CHAIN_FLAGS := $(WARN) -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls
SHAPE_gcc             := $(CC)
SHAPE_gcc-nopie       := $(CC) -fno-pie -no-pie
SHAPE_gcc-cet         := $(CC) -fcf-protection=full -Wl,-z,ibtplt
SHAPE_gcc-static      := $(CC) -static -DNO_PLUGIN
SHAPE_gcc-static-pie  := $(CC) -static-pie -fpie -DNO_PLUGIN
SHAPE_gcc-debug-frame := $(CC) -fno-asynchronous-unwind-tables -fno-unwind-tables
SHAPE_clang           := $(CLANG)
SHAPE_clang-nopie     := $(CLANG) -fno-pie -no-pie
SHAPE_clang-static    := $(CLANG) -static -DNO_PLUGIN
SHAPE_clang-lld       := $(CLANG) -fuse-ld=lld
SHAPE_musl            := musl-gcc
SHAPE_musl-static     := musl-gcc -static -DNO_PLUGIN
$(O)/tests/workloads/chains/chains-%: tests/workloads/chains.c tests/workloads/chains.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(SHAPE_$*) -std=gnu11 -D_GNU_SOURCE $(CHAIN_FLAGS) $< -pthread -o $@
$(O)/tests/workloads/chains/chains-stripped: $(O)/tests/workloads/chains/chains-gcc
	$(call say,STRIP)
	$(Q)strip $< -o $@
# The program headers alone are left: e_shoff, e_shnum and e_shstrndx become 0.
$(O)/tests/workloads/chains/chains-headerless: $(O)/tests/workloads/chains/chains-gcc-static-pie
	$(call say,STRIP)
	$(Q)strip $< -o $@ && dd if=/dev/zero of=$@ bs=1 seek=40 count=8 conv=notrunc status=none && \
		dd if=/dev/zero of=$@ bs=1 seek=60 count=4 conv=notrunc status=none
$(O)/tests/workloads/chains/throws-%: tests/workloads/throws.cc tests/workloads/chains.h
	$(call say,CXX)
	$(Q)mkdir -p $(@D) && $(if $(filter clang,$*),$(CLANG)++,$(CXX) $(if $(filter static,$*),-static)) \
		$(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(CHAIN_FLAGS)) $< -o $@
PLUGIN := $(CC) -std=gnu11 $(CHAIN_FLAGS) -fPIC -shared -nostdlib
$(O)/tests/workloads/chains/plugin.so $(O)/tests/workloads/chains/one.so: tests/workloads/chains_plugin.c tests/workloads/chains.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(PLUGIN) $< -o $@
$(O)/tests/workloads/chains/two.so: tests/workloads/chains_plugin.c tests/workloads/chains.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(PLUGIN) -DFRAME=400 $< -o $@
$(O)/tests/workloads/chains/plugin-stripped.so: $(O)/tests/workloads/chains/plugin.so
	$(call say,STRIP)
	$(Q)strip $< -o $@
$(O)/tests/workloads/chains/libstubs.so: tests/workloads/stubs_callee.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(PLUGIN) $< -o $@
STUBS := -Wl,-z,lazy -Wl,-z,norelro -Wl,-rpath,'$$ORIGIN'
$(O)/tests/workloads/chains/stubs-%: tests/workloads/stubs.c $(O)/tests/workloads/chains/libstubs.so tests/workloads/chains.h
	$(call say,CC)
	$(Q)$(WORKLOAD) -fomit-frame-pointer $(if $(filter plt-sec,$*),-fcf-protection=full -Wl$(comma)-z$(comma)ibtplt,-fcf-protection=none) \
		$(filter-out %.h,$^) $(STUBS) -o $@
$(O)/tests/workloads/chains/%: tests/workloads/%.c tests/workloads/chains.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) -fomit-frame-pointer -fno-optimize-sibling-calls $< -o $@
comma := ,

$(O)/e2e: $(E2E_OBJS)
	$(call say,LD)
	$(Q)$(CC) $(USER) $^ -lcriterion -ljansson -lutil -lm -o $@

e2e: $(O)/e2e $(O)/pyprof-bpf $(O)/tools/check_unwind_tables $(WORKLOADS)

# Compares with libdw, which the program does without.
$(O)/tools/check_unwind_tables: $(O)/tools/check_unwind_tables.o $(CORE_OBJS)
	$(call say,LD)
	$(Q)$(CC) $(USER) $^ $(LDLIBS) -ldw -o $@

# Tests need more than the build, installed before anything is made.
test test-long:
	$(Q)tools/install_deps.sh test
	$(Q)$(MAKE) --no-print-directory $(O)/unit e2e
	$(Q)$(if $(filter test-long,$@),$(MAKE) --no-print-directory -j$$(nproc) fuzz-run)
	$(Q)$(if $(filter test-long,$@),tests/vm/kernel_matrix.sh $(O)/pyprof-bpf)
	$(Q)$(if $(filter test-long,$@),PYPROF_LONG=1) tests/run.sh $(O)

# One file for every CPython with a GIL. Needs root, for the root that it is compiled in.
wheel:
	$(Q)tools/build_wheel.sh $(O)/wheels

# Compiled once for all fuzz targets, apart from the program.
$(O)/fuzz-obj/%.o: %.c Makefile | $(SKEL) $(PROTOS:=.h)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(USER) -Wno-missing-prototypes -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c $< -o $@

$(O)/tests/fuzz/%: $(O)/fuzz-obj/tests/fuzz/%.o $(FUZZ_CORE)
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(USER) -fsanitize=fuzzer,address,undefined $^ $(LDLIBS) -o $@

# They watch the program from outside, so nothing of it is linked in but base/; three time a part of it.
$(O)/tests/bench/bench_unwind $(O)/tests/bench/bench_fallback $(O)/tests/bench/bench_export: $(filter-out $(O)/userspace/cmd/%,$(CORE_OBJS))
$(O)/tests/bench/bench_%: $(O)/tests/bench/bench_%.o $(BENCH_OBJS)
	$(call say,LD)
	$(Q)$(CC) $(USER) $^ $(LDLIBS) -o $@

$(O)/tests/bench/levels.so: tests/bench/levels.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(WORKLOAD) -fomit-frame-pointer -fPIC -shared $< -o $@

bench: $(O)/pyprof-bpf $(BENCHES) $(O)/tests/bench/empty.bpf.o $(O)/tests/bench/levels.so
	$(Q)tests/bench/run.sh $(O) $(BENCHES) tests/bench/bench_fleet.py tests/bench/bench_stacktrace.py

fuzz: $(FUZZERS)

# New inputs go to a copy of the seeds. A crash is left in $(O)/fuzz: it becomes a seed by hand, with a unit test.
SECONDS ?= 60
FUZZ_RUNS := $(patsubst $(O)/tests/fuzz/fuzz_%,fuzz-run-%,$(FUZZERS))
.PHONY: $(FUZZ_RUNS)
fuzz-run: $(FUZZ_RUNS)
$(FUZZ_RUNS): fuzz-run-%: $(O)/tests/fuzz/fuzz_%
	$(Q)dir=$(O)/fuzz/$*; rm -rf $$dir && mkdir -p $$dir/inputs && \
	$< -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=$$dir/ \
		$$dir/inputs $(wildcard tests/fuzz/corpus/$*) >$$dir/log 2>&1 || { cat $$dir/log; exit 1; }; \
	echo "  FUZZ    $*: $$(grep '^Done' $$dir/log)"

lint:
	$(Q)tools/check_layers.py
	$(Q)clang-format --dry-run -Werror $(shell find bpf include userspace tests tools python -name '*.[ch]')

clean:
	$(call say,CLEAN)
	$(Q)rm -rf build build-san

.DELETE_ON_ERROR:
.SECONDARY:
-include $(patsubst %.o,%.d,$(OBJS) $(PACKAGE_OBJS) $(BPF_OBJS) $(UNIT_OBJS) $(E2E_OBJS) $(BENCHES:=.o) $(BENCH_OBJS) \
	    $(FUZZ_CORE) $(FUZZERS:$(O)/%=$(O)/fuzz-obj/%.o) $(O)/tools/check_unwind_tables.o)
