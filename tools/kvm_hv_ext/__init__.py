# SPDX-License-Identifier: GPL-2.0
"""Shows what the kernel module kvm-hv-ext does; see kvm-hv-ext(8)."""
