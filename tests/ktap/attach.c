// SPDX-License-Identifier: GPL-2.0
/*
 * Loading, unloading, and which VMs the module tracks
 *
 * VMs that exist when the module is inserted stay on stock. The module tracks
 * VMs created afterwards, and each of them holds a reference to it. A tracked
 * VM is recognised by its behaviour: it keeps its dirty bits when the copy to
 * userspace faults, invalidates many pages at once, and offers manual
 * protection.
 */
#include "ktap.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "hist.h"
#include "idle.h"
#include "logged_vm.h"
#include "module.h"
#include "tlb_count.h"

#define NR_PAGES	128
#define LARGE		(2ul << 20)
#define CYCLES		200
/* Seconds; each cycle waits for grace periods, which are long on a busy host. */
#define CYCLES_LAST	240
#define TIMEOUT		900
#define CHURNERS	2

FIXTURE(attach) {
};

FIXTURE_SETUP(attach)
{
	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	ASSERT_FALSE(module_loaded());
}

FIXTURE_TEARDOWN(attach)
{
	if (module_loaded())
		EXPECT_EQ(0, module_remove());
}

static struct logged_vm *create(void)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct logged_vm *l;
	const char *why = logged_vm_create(&l, &config, NR_PAGES, BACKING_SMALL);

	if (why)
		die("%s", why);
	return l;
}

static void dirty_all(struct logged_vm *l)
{
	vcpu_store_pages(&l->vm->vcpu[0], VM_DATA_GPA, l->page, l->pages, 1);
}

/* Number of pages reported after a collection whose copy faulted. */
static size_t bits_after_fault(struct logged_vm *l)
{
	int ret;

	dirty_all(l);
	ret = vm_get_dirty_log(l->vm, LOGGED_SLOT, NULL);
	if (ret != -EFAULT)
		die("a collection without a bitmap returned %d", ret);
	ret = logged_vm_collect(l);
	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	return logged_vm_count(l);
}

static unsigned long invalidations(struct logged_vm *l)
{
	unsigned long count;

	dirty_all(l);
	tlb_count_start(VM_MMU_RADIX);
	logged_vm_collect(l);
	count = tlb_count_stop(VM_MMU_RADIX);
	if (logged_vm_count(l) != l->pages)
		die("%zu of %zu pages reported", logged_vm_count(l), l->pages);
	return count;
}

static void expect_stock(struct __test_metadata *_metadata, struct logged_vm *l)
{
	EXPECT_EQ(0, vm_offers_manual_protect(l->vm));
	EXPECT_EQ(0, bits_after_fault(l));
	if (!tlb_count_missing())
		EXPECT_LE(NR_PAGES, invalidations(l));
}

static void expect_ours(struct __test_metadata *_metadata, struct logged_vm *l)
{
	EXPECT_LT(0, vm_offers_manual_protect(l->vm));
	EXPECT_EQ(NR_PAGES, bits_after_fault(l));
	if (!tlb_count_missing())
		EXPECT_GT(NR_PAGES, invalidations(l));
}

TEST_F_TIMEOUT(attach, vms_of_before_stay_on_stock, TIMEOUT)
{
	struct logged_vm *before = create(), *after, *last;

	expect_stock(_metadata, before);
	ASSERT_EQ(0, module_insert(""));
	EXPECT_EQ(0, module_refcnt());
	expect_stock(_metadata, before);

	after = create();
	EXPECT_EQ(1, module_refcnt());
	expect_ours(_metadata, after);
	expect_stock(_metadata, before);
	EXPECT_EQ(-EWOULDBLOCK, module_remove());
	expect_ours(_metadata, after);

	logged_vm_destroy(after);
	EXPECT_EQ(0, module_refcnt());
	ASSERT_EQ(0, module_remove());
	EXPECT_FALSE(module_loaded());
	expect_stock(_metadata, before);

	last = create();
	expect_stock(_metadata, last);
	logged_vm_destroy(last);
	logged_vm_destroy(before);
}

/* The host unmaps, ages and moves memory of a VM that stays on stock. */
TEST_F_TIMEOUT(attach, memory_of_before, TIMEOUT)
{
	struct logged_vm *l = create();
	struct vcpu *vcpu = &l->vm->vcpu[0];
	__u64 *other;
	int idle;

	ASSERT_EQ(0, module_insert(""));
	dirty_all(l);
	idle = idle_open();
	if (idle >= 0) {
		idle_set(idle, idle_pfn(l->memory));
		close(idle);
	}
	EXPECT_EQ(1, vcpu_load(vcpu, l->gpa));

	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	EXPECT_EQ(0, vcpu_load(vcpu, l->gpa));
	*(__u64 *)l->memory = 2;
	EXPECT_EQ(2, vcpu_load(vcpu, l->gpa));

	other = mem_alloc(l->size, BACKING_SMALL, NULL);
	*other = 3;
	ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT, l->gpa, 0, l->memory, 0));
	ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT, l->gpa, l->size, other, 0));
	EXPECT_EQ(3, vcpu_load(vcpu, l->gpa));
	vcpu_store(vcpu, l->gpa, 4);
	EXPECT_EQ(4, *other);

	EXPECT_EQ(0, module_refcnt());
	ASSERT_EQ(0, module_remove());
	EXPECT_EQ(4, vcpu_load(vcpu, l->gpa));
	logged_vm_destroy(l);
	mem_free(other, NR_PAGES * page_size());
}

/* Insert the module repeatedly, each time with a VM created without it. */
TEST_F_TIMEOUT(attach, generations, TIMEOUT)
{
	struct logged_vm *stock = create(), *ours;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, module_insert(""));
		EXPECT_EQ(-EEXIST, module_insert(""));
		ours = create();
		expect_ours(_metadata, ours);
		expect_stock(_metadata, stock);
		logged_vm_destroy(ours);
		ASSERT_EQ(0, module_remove());
		EXPECT_EQ(-ENOENT, module_remove());
		logged_vm_destroy(stock);
		stock = create();
		expect_stock(_metadata, stock);
	}
	logged_vm_destroy(stock);
}

/* The VM exists until its last reference is dropped. */
TEST_F_TIMEOUT(attach, held_by_another_process, TIMEOUT)
{
	struct logged_vm *l;
	int to_child[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, module_insert(""));
	l = create();
	ASSERT_EQ(0, pipe(to_child));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(to_child[1]);
		_exit(read(to_child[0], &byte, 1));
	}
	close(to_child[0]);
	logged_vm_destroy(l);
	EXPECT_EQ(1, module_refcnt());
	EXPECT_EQ(-EWOULDBLOCK, module_remove());

	close(to_child[1]);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(0, module_refcnt());
	EXPECT_EQ(0, module_remove());
}

TEST_F_TIMEOUT(attach, held_by_vcpu, TIMEOUT)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct vm *vm;
	int vcpu;

	ASSERT_EQ(0, module_insert(""));
	vm = vm_create(&config);
	vcpu = dup(vm->vcpu[0].fd);
	ASSERT_LE(0, vcpu);
	vm_destroy(vm);
	EXPECT_EQ(1, module_refcnt());
	EXPECT_EQ(-EWOULDBLOCK, module_remove());
	close(vcpu);
	EXPECT_EQ(0, module_refcnt());
	EXPECT_EQ(0, module_remove());
}

TEST_F_TIMEOUT(attach, held_by_mapping, TIMEOUT)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct vm *vm;
	void *run;

	ASSERT_EQ(0, module_insert(""));
	vm = vm_create(&config);
	run = mmap(NULL, vm->vcpu[0].run_size, PROT_READ, MAP_SHARED,
		   vm->vcpu[0].fd, 0);
	ASSERT_NE(MAP_FAILED, run);
	vm_destroy(vm);
	EXPECT_EQ(1, module_refcnt());
	EXPECT_EQ(-EWOULDBLOCK, module_remove());
	munmap(run, page_size());
	EXPECT_EQ(0, module_refcnt());
	EXPECT_EQ(0, module_remove());
}

/* A failed KVM_CREATE_VM, and a VM without vCPUs, leak no reference. */
TEST_F_TIMEOUT(attach, bare_vm, TIMEOUT)
{
	int kvm = open("/dev/kvm", O_RDWR), vm;

	ASSERT_LE(0, kvm);
	ASSERT_EQ(0, module_insert(""));
	EXPECT_GT(0, ioctl(kvm, KVM_CREATE_VM, 77));
	EXPECT_EQ(0, module_refcnt());
	vm = ioctl(kvm, KVM_CREATE_VM, 1);
	ASSERT_LE(0, vm);
	EXPECT_EQ(1, module_refcnt());
	close(vm);
	EXPECT_EQ(0, module_refcnt());
	EXPECT_EQ(0, module_remove());
	close(kvm);
}

TEST_F_TIMEOUT(attach, dirty_log_off, TIMEOUT)
{
	struct logged_vm *l;

	ASSERT_EQ(0, module_insert("dirty_log=0"));
	l = create();
	expect_stock(_metadata, l);
	logged_vm_destroy(l);
	ASSERT_EQ(0, module_remove());

	ASSERT_EQ(0, module_insert("dirty_log=1"));
	l = create();
	expect_ours(_metadata, l);
	logged_vm_destroy(l);
	EXPECT_EQ(0, module_remove());
}

static long huge_pages_in_use(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	long total = 0, unused = 0;
	char line[128];

	if (!file)
		die("/proc/meminfo: %m");
	/* the total is first */
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "HugePages_Total: %ld", &total) != 1 &&
		    sscanf(line, "HugePages_Free: %ld", &unused) == 1)
			break;
	fclose(file);
	return total - unused;
}

/*
 * With areas=0 they are kvm-hv's, of VMs whose log is the module's. A huge page is free
 * only if nobody has a reference to any part of it.
 */
TEST_F_TIMEOUT(attach, areas_off, TIMEOUT)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	long in_use = huge_pages_in_use();
	struct logged_vm *l;
	struct vcpu *vcpu;

	ASSERT_EQ(0, module_insert("areas=0"));
	SKIP_IF(return, logged_vm_create(&l, &config, LARGE / page_size(), BACKING_HUGETLB));
	vcpu = &l->vm->vcpu[0];
	ASSERT_EQ(0, area_set(vcpu, VPA, logged_vm_gpa(l, 1), 0));
	ASSERT_EQ(0, area_set(vcpu, SLB, logged_vm_gpa(l, 2), l->page));
	ASSERT_EQ(0, area_set(vcpu, DTL, logged_vm_gpa(l, 3), l->page));
	vcpu_dispatch(vcpu);
	EXPECT_EQ(logged_vm_gpa(l, 1), area_get(vcpu, VPA).addr);
	EXPECT_EQ(l->page, area_get(vcpu, SLB).length);
	EXPECT_NE(0, vpa_yield_count(l->memory + l->page));
	EXPECT_EQ(l->pages, bits_after_fault(l));
	EXPECT_LT(in_use, huge_pages_in_use());

	/* kvm-hv unpins their pages */
	logged_vm_destroy(l);
	EXPECT_EQ(in_use, huge_pages_in_use());
	EXPECT_EQ(0, module_remove());
}

TEST_F_TIMEOUT(attach, parameters, TIMEOUT)
{
	static const char path[] = "/sys/module/" MODULE_NAME
				   "/parameters/dirty_log";

	EXPECT_EQ(-EINVAL, module_insert("dirty_log=perhaps"));
	EXPECT_FALSE(module_loaded());

	ASSERT_EQ(0, module_insert("dirty_log=0"));
	EXPECT_EQ('N', module_parameter("dirty_log"));
	EXPECT_EQ(-1, open(path, O_WRONLY));
	ASSERT_EQ(0, module_remove());

	ASSERT_EQ(0, module_insert(""));
	EXPECT_EQ('Y', module_parameter("dirty_log"));
	EXPECT_EQ(-1, open(path, O_WRONLY));
	EXPECT_EQ(0, module_remove());
}

/* Only one can redirect a function: the second one fails to load completely. */
TEST_F_TIMEOUT(attach, function_held_by_live_patch, TIMEOUT)
{
	struct logged_vm *l;

	if (!module_built(LIVEPATCH_FILE))
		SKIP(return, "the kernel has no live patching (CONFIG_LIVEPATCH)");
	ASSERT_EQ(0, module_insert_file(LIVEPATCH_FILE, ""));
	EXPECT_EQ(-EBUSY, module_insert(""));
	EXPECT_FALSE(module_loaded());
	module_remove_livepatch();

	ASSERT_EQ(0, module_insert(""));
	EXPECT_EQ(-EBUSY, module_insert_file(LIVEPATCH_FILE, ""));
	l = create();
	expect_ours(_metadata, l);
	logged_vm_destroy(l);
	EXPECT_EQ(0, module_remove());
}

/* Some redirected functions; most of the replacements call the original. */
#define PROBES	"r:ktap_free kvm_hv:kvmppc_free_radix\n" \
		"r:ktap_map kvm_hv:kvmppc_book3s_instantiate_page\n" \
		"r:ktap_write kvm_hv:kvmppc_create_pte\n" \
		"r:ktap_flush kvm_hv:kvmppc_radix_flush_memslot\n" \
		"r:ktap_areas kvm_hv:kvmppc_update_vpas\n"

static void work(struct __test_metadata *_metadata)
{
	struct logged_vm *l = create();

	expect_ours(_metadata, l);
	ASSERT_EQ(0, logged_vm_set_log(l, false));
	dirty_all(l);
	ASSERT_EQ(0, logged_vm_set_log(l, true));
	logged_vm_destroy(l);
}

/*
 * Return probes replace the return address in LR. Set them before and after the
 * module's redirects.
 */
TEST_F_TIMEOUT(attach, returns_probed, TIMEOUT)
{
	unsigned int before;

	if (access(TRACEFS "kprobe_events", W_OK))
		SKIP(return, "the kernel has no kprobes");
	for (before = 0; before < 2; before++) {
		if (!before)
			ASSERT_EQ(0, module_insert(""));
		write_file(TRACEFS "kprobe_events", PROBES);
		write_file(TRACEFS "events/kprobes/enable", "1");
		if (before)
			ASSERT_EQ(0, module_insert(""));
		work(_metadata);
		write_file(TRACEFS "events/kprobes/enable", "0");
		write_file(TRACEFS "kprobe_events", "");
		EXPECT_EQ(0, module_remove());
	}
}

TEST_F_TIMEOUT(attach, graph_traced, TIMEOUT)
{
	unsigned int before;

	if (access(TRACEFS "set_graph_function", W_OK))
		SKIP(return, "the kernel has no function graph tracer");
	write_file(TRACEFS "set_ftrace_filter", "kvmppc_*");
	for (before = 0; before < 2; before++) {
		if (!before)
			ASSERT_EQ(0, module_insert(""));
		write_file(TRACEFS "current_tracer", "function_graph");
		if (before)
			ASSERT_EQ(0, module_insert(""));
		work(_metadata);
		write_file(TRACEFS "current_tracer", "nop");
		EXPECT_EQ(0, module_remove());
	}
	write_file(TRACEFS "set_ftrace_filter", "");
}

/* A thread that creates, checks and destroys VMs. */
struct churner {
	pthread_t thread;
	atomic_bool *stop;
	unsigned int usleep;
	unsigned long stock;
	unsigned long ours;
};

static void *churner_thread(void *arg)
{
	struct churner *c = arg;
	struct logged_vm *l;
	size_t bits;

	while (!atomic_load(c->stop)) {
		l = create();
		dirty_all(l);
		if (logged_vm_collect(l) || logged_vm_count(l) != l->pages)
			die("%zu of %zu pages reported", logged_vm_count(l),
			    l->pages);
		bits = bits_after_fault(l);
		if (bits && bits != l->pages)
			die("%zu of %zu pages reported after a fault", bits,
			    l->pages);
		if (bits)
			c->ours++;
		else
			c->stock++;
		logged_vm_destroy(l);
		usleep(c->usleep);
	}
	return NULL;
}

/* A VM created before the first insertion, in use all the time. */
static void *survivor_thread(void *arg)
{
	struct churner *c = arg;
	struct logged_vm *l = create();

	while (!atomic_load(c->stop)) {
		if (bits_after_fault(l))
			die("a VM created before the module is no longer on stock");
		dirty_all(l);
		if (logged_vm_collect(l) || logged_vm_count(l) != l->pages)
			die("%zu of %zu pages reported", logged_vm_count(l),
			    l->pages);
		c->stock++;
		usleep(c->usleep);
	}
	logged_vm_destroy(l);
	return NULL;
}

/* Wait until the module tracks a VM of one of the threads. */
static void wait_for_use(void)
{
	unsigned int i;

	for (i = 0; i < 10000 && module_refcnt() < 1; i++)
		usleep(1000);
}

/* Remove the module after a delay, every other time while it tracks a VM. */
TEST_F_TIMEOUT(attach, cycles_under_load, TIMEOUT)
{
	unsigned long cycles = scaled(CYCLES), refused = 0, ours = 0, stock = 0, i;
	struct churner churner[CHURNERS] = { 0 }, survivor = { 0 };
	time_t end = time(NULL) + CYCLES_LAST;
	atomic_bool stop = false;
	int ret;

	survivor.stop = &stop;
	survivor.usleep = 1000;
	ASSERT_EQ(0, pthread_create(&survivor.thread, NULL, survivor_thread,
				    &survivor));
	while (!__atomic_load_n(&survivor.stock, __ATOMIC_RELAXED))
		usleep(1000);
	for (i = 0; i < CHURNERS; i++) {
		churner[i].stop = &stop;
		churner[i].usleep = 5000;
		ASSERT_EQ(0, pthread_create(&churner[i].thread, NULL,
					    churner_thread, &churner[i]));
	}
	for (i = 0; i < cycles && time(NULL) < end; i++) {
		ASSERT_EQ(0, module_insert(""));
		if (i % 2)
			wait_for_use();
		else
			usleep(2000 * (i % 8));
		while ((ret = module_remove()) == -EWOULDBLOCK) {
			refused++;
			usleep(100);
		}
		ASSERT_EQ(0, ret);
	}
	cycles = i;
	atomic_store(&stop, true);
	for (i = 0; i < CHURNERS; i++) {
		ASSERT_EQ(0, pthread_join(churner[i].thread, NULL));
		ours += churner[i].ours;
		stock += churner[i].stock;
	}
	ASSERT_EQ(0, pthread_join(survivor.thread, NULL));
	TH_LOG("%lu cycles, removal refused %lu times", cycles, refused);
	TH_LOG("%lu VMs tracked, %lu on stock, %lu collections of the VM created before",
	       ours, stock, survivor.stock);
	EXPECT_LT(0, refused);
	EXPECT_LT(0, ours);
	EXPECT_LT(0, stock);
}

TEST_HARNESS_MAIN
