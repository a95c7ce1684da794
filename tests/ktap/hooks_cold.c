// SPDX-License-Identifier: GPL-2.0
/*
 * The module must not redirect functions on the hot paths of a guest
 *
 * A probe counts the calls of the ftrace callback that all redirects share.
 */
#include "ktap.h"

#include "hist.h"
#include "logged_vm.h"
#include "module.h"

#define HELPER		"kvm_hv_ext_calls"
#define HELPER_FILE	"kvm-hv-ext-calls.ko"
#define CALLBACK	MODULE_NAME ":redirect_callback"

#define PROBE		"ktap_fault"
#define EVENT		"kprobes/" PROBE
#define TRIGGER		"hist:keys=common_pid"

#define TIMES		1000
/* A hypercall that kvm-hv handles, without effect on the guest. */
#define H_PROD		0xe8

FIXTURE(cold) {
	struct logged_vm *l;
	struct vcpu *vcpu;
	bool counting;
};

/* The first half of the pages is mapped. All are logged, none is dirty. */
FIXTURE_SETUP(cold)
{
	struct vm_config config = { 0 };

	if (!module_built(HELPER_FILE))
		SKIP(return, HELPER_FILE " was not built");
	SKIP_IF(return, logged_vm_create(&self->l, &config, TIMES, BACKING_SMALL));
	self->vcpu = &self->l->vm->vcpu[0];
	vcpu_store_pages(self->vcpu, self->l->gpa, self->l->page, TIMES / 2, 1);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	if (!access(TRACEFS "kprobe_events", W_OK)) {
		write_file(TRACEFS "kprobe_events",
			   "p:" PROBE " kvm_hv:kvmppc_book3s_radix_page_fault");
		self->counting = true;
	}
	module_remove_name(HELPER);
	ASSERT_EQ(0, module_insert_file(HELPER_FILE, "function=" CALLBACK));
}

FIXTURE_TEARDOWN(cold)
{
	module_remove_name(HELPER);
	if (self->counting)
		write_file(TRACEFS "kprobe_events", "");
	logged_vm_destroy(self->l);
}

static unsigned long calls(void)
{
	char text[32] = "";
	FILE *file = fopen("/sys/module/" HELPER "/parameters/calls", "r");

	if (!file || !fgets(text, sizeof(text), file))
		die("read the probe's count: %m");
	fclose(file);
	return strtoul(text, NULL, 10);
}

/* A control: the probe must count the calls of page faults. */
TEST_F(cold, first_touch)
{
	unsigned long before = calls();

	vcpu_store_pages(self->vcpu, logged_vm_gpa(self->l, TIMES / 2), self->l->page,
			 TIMES / 2, 1);
	TH_LOG("%d pages touched for the first time: %lu calls", TIMES / 2,
	       calls() - before);
	EXPECT_LE(TIMES / 2, calls() - before);
	/* one for each page, and a few for other memory of the guest */
	EXPECT_GE(TIMES / 2 + 10, calls() - before);
}

TEST_F(cold, entries_and_hypercalls)
{
	unsigned long before = calls(), i;

	for (i = 0; i < TIMES; i++)
		ASSERT_EQ(0, vcpu_hcall(self->vcpu, H_PROD, 0, 0, 0));
	EXPECT_EQ(before, calls());
}

/* The pages are mapped: stores fault at most for software to set C. */
TEST_F(cold, stores_after_a_collection)
{
	unsigned long before = calls(), faults = 0;

	if (self->counting)
		hist_start(EVENT, TRIGGER);
	vcpu_store_pages(self->vcpu, self->l->gpa, self->l->page, TIMES / 2, 2);
	if (self->counting)
		faults = hist_stop(EVENT, TRIGGER);
	TH_LOG("%d pages stored to: %lu page faults, %lu calls", TIMES / 2, faults,
	       calls() - before);
	EXPECT_EQ(before, calls());
}

TEST_HARNESS_MAIN
