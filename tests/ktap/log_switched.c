// SPDX-License-Identifier: GPL-2.0
/*
 * Logging switched on and off under load, on memory in huge pages
 *
 * KVM maps base pages while logging is on, and huge pages while it is off. A
 * fault that maps a huge page may find base pages there; stock zaps these at
 * wrong guest addresses, namely at their host addresses.
 */
#include "ktap.h"

#include "hist.h"
#include "rounds.h"

#define NR_VCPUS	3
#define SIZE		(8 * THP_SIZE)
#define SWITCHES	400
#define TIMEOUT		120

#define PROBE		"ktap_unmap"
#define EVENT		"kprobes/" PROBE

FIXTURE(log) {
	struct logged_vm *l;
	char trigger[128];
};

/* Count zaps at guest addresses outside of the memslot. */
FIXTURE_SETUP(log)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = VM_MMU_RADIX };

	SKIP_IF(return, logged_vm_create(&self->l, &config, SIZE / page_size(), BACKING_THP));
	write_file(TRACEFS "kprobe_events",
		   "p:" PROBE " kvm_hv:kvmppc_unmap_pte gpa=%gpr5");
	snprintf(self->trigger, sizeof(self->trigger),
		 "hist:keys=common_pid if gpa < %llu || gpa >= %llu", VM_DATA_GPA,
		 VM_DATA_GPA + SIZE);
	hist_start(EVENT, self->trigger);
}

FIXTURE_TEARDOWN(log)
{
	logged_vm_destroy(self->l);
	/* Opening it with O_TRUNC removes all probes. */
	write_file(TRACEFS "kprobe_events", "");
}

TEST_F_TIMEOUT(log, switched_under_load, TIMEOUT)
{
	unsigned long switches = scaled(SWITCHES), i, wrong;
	__u64 random = option("KTAP_SEED", 1);
	struct guest_area *area[NR_VCPUS];

	rounds_churn(self->l, area, GUEST_CHURN, &random);
	for (i = 0; i < switches; i++) {
		rounds_await_stores(area, NR_VCPUS);
		ASSERT_EQ(0, logged_vm_set_log(self->l, i & 1));
	}
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_stop(&self->l->vm->vcpu[i]);

	wrong = hist_stop(EVENT, self->trigger);
	TH_LOG("log switched %lu times: %lu pages zapped at wrong addresses", switches,
	       wrong);
	EXPECT_OURS(self->l->vm, !wrong,
		    "stock zaps base pages at wrong addresses");
}

TEST_HARNESS_MAIN
