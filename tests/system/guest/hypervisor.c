// SPDX-License-Identifier: GPL-2.0
/*
 * The program in a guest that runs a nested guest. The nested guest
 * continuously rewrites its memory and detects any word that differs from what
 * it has last written there.
 *
 * The argument is the size of the nested guest's memory, in MiB. Messages on
 * the console are those of init.c. In each pass the nested guest verifies all
 * of its memory, so a pass is a sweep.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../ktap/vm.h"
#include "hypervisor.h"

#define MIB		(1024UL * 1024UL)
#define DATA_SLOT	1

static struct vcpu *create_guest(size_t size)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct vm *vm = vm_create(&config);
	struct guest_area *area = vm->vcpu[0].area;
	void *memory = mem_alloc(size, BACKING_SMALL, NULL);
	int ret = vm_set_slot(vm, DATA_SLOT, VM_DATA_GPA, size, memory, 0);

	if (ret)
		die("cannot add memory to the nested guest: %s", strerror(-ret));
	area->addr = VM_DATA_GPA;
	area->stride = page_size();
	area->count = size / area->stride;
	area->seed = NESTED_SEED;
	if (area->count > GUEST_LIST_MAX)
		die("memory of the nested guest is too large: %zu bytes", size);
	return &vm->vcpu[0];
}

int main(int argc, char **argv)
{
	struct vcpu *vcpu = create_guest((argc > 1 ? strtoul(argv[1], NULL, 0) : 1) * MIB);
	__u64 pass, said = 0, wrong;

	setvbuf(stdout, NULL, _IOLBF, 0);
	vcpu_start(vcpu, GUEST_REWRITE);
	for (;;) {
		usleep(50 * 1000);
		wrong = __atomic_load_n(&vcpu->area->wrong, __ATOMIC_RELAXED);
		if (wrong) {
			printf("CORRUPT: the nested guest found %llu pages wrong\n", wrong);
			return EXIT_FAILURE;
		}
		pass = area_progress(vcpu->area);
		if (pass != said)
			printf("pass %llu sweep %llu log 0\n", pass, pass);
		said = pass;
	}
}
