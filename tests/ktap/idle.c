// SPDX-License-Identifier: GPL-2.0
/*
 * The host's idle page tracking
 */
#include "idle.h"

#include <fcntl.h>
#include <unistd.h>

#include "vm.h"

#define IDLE		"/sys/kernel/mm/page_idle/bitmap"
#define PAGEMAP		"/proc/self/pagemap"

#define PM_PRESENT	0x8000000000000000ull
#define PM_PFN		0x007fffffffffffffull

static __u64 read_word(int fd, __u64 number, const char *path)
{
	__u64 word;

	if (pread(fd, &word, sizeof(word), number * sizeof(word)) != sizeof(word))
		die("read %s: %m", path);
	return word;
}

int idle_open(void)
{
	return open(IDLE, O_RDWR | O_CLOEXEC);
}

__u64 idle_pfn(const void *mem)
{
	int fd = open(PAGEMAP, O_RDONLY | O_CLOEXEC);
	__u64 entry;

	if (fd < 0)
		die("open " PAGEMAP ": %m");
	entry = read_word(fd, (unsigned long)mem / page_size(), PAGEMAP);
	close(fd);
	return entry & PM_PRESENT ? entry & PM_PFN : 0;
}

void idle_set(int fd, __u64 pfn)
{
	__u64 bit = 1ull << (pfn % 64);

	if (pwrite(fd, &bit, sizeof(bit), pfn / 64 * sizeof(bit)) != sizeof(bit))
		die("write to " IDLE ": %m");
}

bool idle_test(int fd, __u64 pfn)
{
	return read_word(fd, pfn / 64, IDLE) >> (pfn % 64) & 1;
}
