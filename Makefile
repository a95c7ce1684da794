# SPDX-License-Identifier: GPL-2.0
# Targets for users. kbuild reads Kbuild instead.

KDIR	?= /lib/modules/$(shell uname -r)/build
# The directory of the build products: kbuild writes next to the sources.
top	:= $(CURDIR)

# Cross-compile unless this is a POWER machine.
ifneq ($(shell uname -m),ppc64le)
export ARCH		?= powerpc
export CROSS_COMPILE	?= powerpc64le-linux-gnu-
endif

# KUNIT=1 also builds the KUnit module, HELPERS=1 the modules that other tests
# load, DEBUG=1 the flush-coverage check. COVERAGE=1 builds the module for KCOV
# and gcov, where the kernel has them.
config := CONFIG_KVM_HV_EXT=m \
	  $(if $(KUNIT),CONFIG_KVM_HV_EXT_KUNIT_TEST=m) \
	  $(if $(HELPERS),CONFIG_KVM_HV_EXT_TEST_MODULES=m) \
	  $(if $(DEBUG),CONFIG_KVM_HV_EXT_DEBUG=y) \
	  $(if $(COVERAGE),CONFIG_KVM_HV_EXT_COVERAGE=y)
kbuild := $(MAKE) -C $(KDIR) M=$(top) $(config)

.PHONY: help modules modules_install clean kdir-check demo check check-all kunit style \
	bench matrix fuzz torture soak mutants coverage

help:
	@echo 'make demo             show a guest that migrates, on stock and on the module'
	@echo '                      (HOST=exact-papr10 KERNEL=debian13-64k: in an LPAR on PowerVM)'
	@echo 'make check            run all tests (in emulated hosts; needs no POWER machine)'
	@echo 'make check-all        check, the packages, and what users do with QEMU and libvirt on more'
	@echo '                      hosts, update docs/cases (five hours more; see tests/system/all)'
	@echo 'make kunit            only the KUnit suites, on a test kernel'
	@echo 'make style            only sparse, W=1, checkpatch, coccicheck, shellcheck'
	@echo 'make fuzz             fuzz the module (MINUTES=10 HOST=pseries9 SEED=N: repeat a run)'
	@echo 'make matrix           run suites on each kernel and host, update docs/matrix.json'
	@echo '                      (two hours; resumes an interrupted run; CELL=HOST/KERNEL: only that)'
	@echo 'make torture          VMs and the module at random (MINUTES=30 SEED=N HOST=pseries9'
	@echo '                      KERNEL=6.12-64k-torture); see tests/README.md'
	@echo 'make soak             migrations, torture and loads by the thousand, update docs/soak.md'
	@echo '                      (MINUTES=60; continues)'
	@echo 'make bench            measure stock and the module, update docs/bench (hours; QUICK=1: less)'
	@echo 'make mutants          run suites on generated mutants for MINUTES (60) each, update'
	@echo '                      docs/mutants.md (continues; STATE: directory of results)'
	@echo 'make coverage         run suites on a module built for gcov, update docs/coverage.md'
	@echo 'make modules          build the module; KDIR=DIR: kernel to build for,'
	@echo '                      KUNIT=1: also its KUnit tests, DEBUG=1: with run-time checks'
	@echo 'make modules_install  install it to /lib/modules/RELEASE/updates'
	@echo 'make clean            remove the build products (scripts/lab clean: the cache)'
	@echo
	@echo 'KDIR is now $(KDIR)'
	@echo 'scripts/lab --help describes the emulated hosts that demo and check use.'

kdir-check:
	@scripts/check-kdir '$(KDIR)'

modules: kdir-check
	+$(kbuild) modules

modules_install: kdir-check
	+$(kbuild) INSTALL_MOD_DIR=updates modules_install

clean:
	@if [ -e '$(KDIR)/Makefile' ]; then $(kbuild) clean; \
	else echo 'make clean: KDIR=$(KDIR) is no kernel; kbuild needs one to clean' >&2; exit 1; fi

demo:
	tests/system/demo $(HOST) $(KERNEL)

check:
	scripts/check

check-all: check
	scripts/lab kunit 6.1-64k
	tests/package/run pseries9 debian
	tests/package/run pseries9 debian13-4k
	tests/system/all

kunit:
	scripts/lab kunit 6.12-64k

style:
	scripts/lab static 6.12-64k

bench:
	tests/bench/bench $(if $(QUICK),--quick)

fuzz:
	tests/fuzz/run $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(or $(HOST),pseries9) $(or $(KERNEL),6.12-64k-torture)

matrix:
	set -f; scripts/matrix $(CELL)

torture:
	tests/torture/run --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) \
		$(or $(HOST),pseries9) $(or $(KERNEL),6.12-64k-torture)

soak:
	tests/soak/run --minutes $(or $(MINUTES),60)

STATE	?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kvm-hv-ext/mutants
mutants:
	mkdir -p '$(STATE)'
	tests/mutants/run --state '$(STATE)' --minutes $(or $(MINUTES),60) kunit
	tests/mutants/run --state '$(STATE)' --minutes $(or $(MINUTES),60) ktap
	tests/mutants/run --state '$(STATE)' --minutes $(or $(MINUTES),60) --host powernv9 ktap
	tests/mutants/report '$(STATE)'

coverage:
	scripts/coverage
