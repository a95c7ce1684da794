# SPDX-License-Identifier: GPL-2.0
# The user's targets. kbuild itself reads Kbuild.

KDIR	?= /lib/modules/$(shell uname -r)/build
# Where the build products go; kbuild writes beside the sources.
top	:= $(CURDIR)

# Cross-build unless this is a POWER machine already.
ifneq ($(shell uname -m),ppc64le)
export ARCH		?= powerpc
export CROSS_COMPILE	?= powerpc64le-linux-gnu-
endif

# KUNIT=1 builds the KUnit module too, HELPERS=1 those that other tests load,
# DEBUG=1 the flush-coverage check.
config := CONFIG_KVM_HV_EXT=m \
	  $(if $(KUNIT),CONFIG_KVM_HV_EXT_KUNIT_TEST=m) \
	  $(if $(HELPERS),CONFIG_KVM_HV_EXT_TEST_MODULES=m) \
	  $(if $(DEBUG),CONFIG_KVM_HV_EXT_DEBUG=y)
kbuild := $(MAKE) -C $(KDIR) M=$(top) $(config)

.PHONY: help modules modules_install clean kdir-check demo check kunit style bench \
	matrix

help:
	@echo 'make demo             see a guest migrate on stock and on us, side by side'
	@echo 'make check            run all tests (emulated hosts; needs no POWER machine)'
	@echo 'make kunit            only the KUnit suites, on a test kernel'
	@echo 'make style            only sparse, W=1, checkpatch, coccicheck, shellcheck'
	@echo 'make matrix           suites on each kernel and kind of host, to docs/matrix.json'
	@echo '                      (two hours; goes on where it was; CELL=HOST/KERNEL: only that)'
	@echo 'make bench            measure stock and us, to docs/bench (hours; QUICK=1: less)'
	@echo 'make modules          build the module; KDIR=dir: kernel to build for,'
	@echo '                      KUNIT=1: its KUnit tests too, DEBUG=1: with run-time checks'
	@echo 'make modules_install  install it to /lib/modules/RELEASE/updates'
	@echo 'make clean            remove what the build made (scripts/lab clean: the cache)'
	@echo
	@echo 'KDIR is now $(KDIR)'
	@echo 'scripts/lab --help explains the lab that demo and check run in.'

kdir-check:
	@scripts/check-kdir '$(KDIR)'

modules: kdir-check
	+$(kbuild) modules

modules_install: kdir-check
	+$(kbuild) INSTALL_MOD_DIR=updates modules_install

clean:
	@if [ -e '$(KDIR)/Makefile' ]; then $(kbuild) clean; \
	else echo 'make clean: nothing to ask for the list of files: KDIR=$(KDIR) is no kernel' >&2; exit 1; fi

demo:
	tests/system/demo

check:
	scripts/check

kunit:
	scripts/lab kunit 6.12-64k

style:
	scripts/lab static 6.12-64k

bench:
	tests/bench/bench $(if $(QUICK),--quick)

matrix:
	set -f; scripts/matrix $(CELL)
