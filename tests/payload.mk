# SPDX-License-Identifier: GPL-2.0
#
# Common part of the Makefiles of payloads, which build ppc64le programs in OUT
# with the headers of a kernel source tree.

.DEFAULT_GOAL := all

OUT ?= $(error OUT must name the directory that receives the payload)
KSRC ?= $(error KSRC must name a kernel source tree (6.12 or later))

ifneq ($(shell uname -m),ppc64le)
CROSS_COMPILE ?= powerpc64le-linux-gnu-
endif
CC = $(CROSS_COMPILE)gcc
OBJCOPY = $(CROSS_COMPILE)objcopy
AR = $(CROSS_COMPILE)ar

COMMON := -O2 -g -Wall -Wextra -Werror -std=gnu11 -D__SANE_USERSPACE_TYPES__
# No program may keep a value in a vector register across KVM_RUN, see
# ktap/vm.h.
KTAP_CFLAGS = $(COMMON) -mno-altivec -mno-vsx -pthread \
	-isystem $(KSRC)/tools/testing/selftests

BUILD = $(OUT)/.build

$(BUILD):
	mkdir -p $@
