// SPDX-License-Identifier: GPL-2.0
/*
 * What the host does to the memory of a VM
 */
#define _GNU_SOURCE
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define MERGE_US	30000

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static struct patch *any_patch(struct subject *s, __u32 which)
{
	return &s->patch[which % SUBJECT_SLOTS];
}

static void *run_memory(const struct subject *s, const struct patch *p, struct run r)
{
	return p->memory + r.first * s->page;
}

static int advise(const struct subject *s, const struct patch *p, struct run r, int advice)
{
	return madvise(run_memory(s, p, r), r.count * s->page, advice) ? -errno : 0;
}

static bool is_private(const struct patch *p)
{
	return p->backing == BACKING_SMALL || p->backing == BACKING_THP;
}

/* Advice that keeps the content. */
int op_advise(struct subject *s, const __u32 a[4])
{
	static const int advice[] = {
		MADV_COLD, MADV_COLLAPSE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_UNMERGEABLE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WILLNEED,
	};
	struct patch *p = any_patch(s, a[0]);

	return advise(s, p, patch_run(p, a[1], a[2], MAX_PAGES),
		      advice[a[3] % ARRAY_SIZE(advice)]);
}

/* KSM merges for a moment only: when, is a part of the episode. */
int op_merge(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	int ret = advise(s, p, patch_run(p, a[1], a[2], MAX_PAGES), MADV_MERGEABLE);

	if (ret)
		return ret;
	ret = host_write(KSM "run", "1");
	usleep(MERGE_US);
	host_write(KSM "run", "0");
	return ret;
}

int op_page_out(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);

	return advise(s, p, patch_run(p, a[1], a[2], MAX_PAGES), MADV_PAGEOUT);
}

/* Move pages to either node of the host. */
int op_move_node(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	struct run r = patch_run(p, a[1], a[2], MAX_PAGES);
	int nodes[MAX_PAGES], status[MAX_PAGES];
	void *pages[MAX_PAGES];
	size_t i;

	for (i = 0; i < r.count; i++) {
		pages[i] = p->memory + (r.first + i) * s->page;
		nodes[i] = a[3] % 2;
	}
	/* It returns how many pages could not be moved: those that are pinned, for example. */
	return syscall(SYS_move_pages, 0, r.count, pages, nodes, status, MPOL_MF_MOVE) < 0 ?
		-errno : 0;
}

static void record_zero(struct patch *p, struct run r)
{
	memset(p->value + r.first, 0, r.count * sizeof(p->value[0]));
	memset(p->maybe_zero + r.first, 0, r.count);
}

/* Memory of a file is only unmapped, or a hole is punched in the file. */
int op_drop(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	struct run r = patch_run(p, a[1], a[2], MAX_PAGES);
	bool hole = p->backing == BACKING_MEMFD && a[3] % 2;
	int ret;

	if (p->backing == BACKING_HUGETLB)
		return -EOPNOTSUPP;
	/* vCPUs that run know what they have stored. */
	if (patch_is_busy(s, p) && (hole || is_private(p)))
		return -EBUSY;
	ret = advise(s, p, r, hole ? MADV_REMOVE : MADV_DONTNEED);
	if (!ret && (hole || is_private(p)))
		record_zero(p, r);
	return ret;
}

/* Stock loses stores to such memory. */
int op_free(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	struct run r = patch_run(p, a[1], a[2], MAX_PAGES);
	int ret;

	if (patch_is_busy(s, p))
		return -EBUSY;
	ret = advise(s, p, r, MADV_FREE);
	if (!ret)
		memset(p->maybe_zero + r.first, true, r.count);
	return ret;
}

/* A vCPU cannot store to memory that is read-only, but continues afterwards. */
int op_protect(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	struct run r = patch_run(p, a[1], a[2], MAX_STORES);
	void *memory = run_memory(s, p, r);
	int ret;

	if (mprotect(memory, r.count * s->page, PROT_READ))
		return -errno;
	ret = p->exists && !s->config.running ? subject_store(s, p, r, a[3] | 1) : -EFAULT;
	if (mprotect(memory, r.count * s->page, PROT_READ | PROT_WRITE))
		fail(s, "make memory writable again: %m");
	if (ret != -EFAULT)
		fail(s, "a store to read-only memory: %s", strerror(-ret));
	return p->exists && !s->config.running ? subject_store(s, p, r, a[3] | 1) : 0;
}

/* The same with memory that is elsewhere for a while. */
int op_move_memory(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	struct run r = patch_run(p, a[1], a[2], MAX_STORES);
	size_t size = r.count * s->page;
	void *memory = run_memory(s, p, r), *away;
	int ret = 0;

	if (p->backing != BACKING_SMALL && p->backing != BACKING_MEMFD)
		return -EOPNOTSUPP;
	away = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (away == MAP_FAILED)
		return -errno;
	/* Not if advice has divided the mapping. */
	if (mremap(memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, away) == MAP_FAILED) {
		ret = -errno;
		munmap(away, size);
		return ret;
	}
	if (p->exists && !s->config.running) {
		s->vm->vcpu[0].area->list[0].addr = patch_word_gpa(s, p, r.first);
		s->vm->vcpu[0].area->count = 1;
		ret = vcpu_try(&s->vm->vcpu[0], GUEST_LOAD);
		vcpu_restart(&s->vm->vcpu[0]);
	}
	if (mremap(away, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, memory) == MAP_FAILED)
		fail(s, "move memory back: %m");
	if (p->exists && !s->config.running && ret != -EFAULT)
		fail(s, "a load where no memory is: %d", ret);
	subject_compare(s, p, r);
	return 0;
}

/* A child with which all memory is shared until it ends. */
static pid_t kept_child;

void memory_end(void)
{
	if (!kept_child)
		return;
	kill(kept_child, SIGKILL);
	waitpid(kept_child, NULL, 0);
	kept_child = 0;
}

int op_fork(struct subject *s, const __u32 a[4])
{
	pid_t child;

	(void)s;
	memory_end();
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (a[0] % 2)
			pause();
		_exit(0);
	}
	if (a[0] % 2)
		kept_child = child;
	else
		waitpid(child, NULL, 0);
	return 0;
}

struct resolver {
	int fd;
	size_t page;
};

/* Give a zero page for each fault, until the descriptor is closed. */
static void *resolve(void *arg)
{
	struct resolver *r = arg;
	struct pollfd poll_fd = { .fd = r->fd, .events = POLLIN };
	struct uffd_msg message;
	struct uffdio_zeropage zero;

	for (;;) {
		poll(&poll_fd, 1, -1);
		if (read(r->fd, &message, sizeof(message)) != sizeof(message))
			continue;
		if (message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		zero = (struct uffdio_zeropage){
			.range = {
				.start = message.arg.pagefault.address & -r->page,
				.len = r->page,
			},
		};
		ioctl(r->fd, UFFDIO_ZEROPAGE, &zero);
	}
	return NULL;
}

/* Accesses of the guest to pages that another thread provides. */
int op_userfault(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	struct run r = patch_run(p, a[1], a[2], MAX_STORES);
	struct uffdio_register range = {
		.range = { (unsigned long)run_memory(s, p, r), r.count * s->page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	struct resolver resolver = { .page = s->page };
	pthread_t thread;
	int ret;

	if (p->backing != BACKING_SMALL || !p->exists || s->config.running)
		return -EOPNOTSUPP;
	resolver.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (resolver.fd < 0)
		return -errno;
	if (ioctl(resolver.fd, UFFDIO_API, &api) || ioctl(resolver.fd, UFFDIO_REGISTER, &range)) {
		ret = -errno;
		close(resolver.fd);
		return ret;
	}
	if (pthread_create(&thread, NULL, resolve, &resolver))
		fail(s, "a thread that provides memory: %m");
	if (advise(s, p, r, MADV_DONTNEED))
		fail(s, "drop memory: %m");
	record_zero(p, r);
	ret = a[3] % 2 ? subject_store(s, p, r, a[3] | 1) : subject_load(s, p, r, a[3] | 1);
	if (ret)
		fail(s, "an access to memory that another thread provides: %s", strerror(-ret));
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	close(resolver.fd);
	return ret;
}

int op_reclaim(struct subject *s, const __u32 a[4])
{
	char size[16];

	(void)s;
	snprintf(size, sizeof(size), "%uM", 1 + a[0] % 32);
	return host_write(HOST_CGROUP "/memory.reclaim", size);
}

int op_compact(struct subject *s, const __u32 a[4])
{
	(void)s;
	return a[0] % 2 ? host_write("/proc/sys/vm/compact_memory", "1") :
			  host_write("/proc/sys/vm/drop_caches", "3");
}
