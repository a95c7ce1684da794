// SPDX-License-Identifier: GPL-2.0
/*
 * Draws on the guest's screen: writes to the frame buffer of a display on PCI
 * that has the registers of Bochs' (QEMU, docs/specs/standard-vga). The kernel
 * needs no driver for it.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"
#include "pattern.h"
#include "screen.h"

#define DEVICES		"/sys/bus/pci/devices/*"
#define CLASS_DISPLAY	0x03
/* A pass draws one of so many words. */
#define STRIDE		64

/* BAR 0 is the frame buffer, BAR 2 has the registers. */
#define BAR_FRAME	0
#define BAR_REGISTERS	2
#define REGISTERS	0x500
enum { XRES = 1, YRES, BITS, ENABLE };
#define ENABLED_LINEAR	0x41
#define BYTES_PER_PIXEL	4

static uint64_t *screen;
static size_t nr_words;

static unsigned long read_number(const char *device, const char *name)
{
	char path[256], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", device, name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		perror(path);
	close(fd);
	return strtoul(text, NULL, 0);
}

static void *map_bar(const char *device, int bar, size_t *size)
{
	void *mapped = MAP_FAILED;
	char path[256];
	struct stat stat;
	int fd;

	snprintf(path, sizeof(path), "%s/resource%d", device, bar);
	fd = open(path, O_RDWR);
	if (fd >= 0 && !fstat(fd, &stat)) {
		*size = stat.st_size;
		mapped = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (mapped == MAP_FAILED)
		perror(path);
	close(fd);
	return mapped == MAP_FAILED ? NULL : mapped;
}

static void set_register(uint16_t *registers, int number, uint16_t value)
{
	__atomic_store_n(&registers[REGISTERS / sizeof(*registers) + number], value,
			 __ATOMIC_SEQ_CST);
}

static bool map_screen(const char *device)
{
	unsigned int width = 800, height = 600;
	uint16_t *registers;
	char path[256];
	size_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/enable", device);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) < 0)
		perror(path);
	close(fd);

	registers = map_bar(device, BAR_REGISTERS, &size);
	screen = map_bar(device, BAR_FRAME, &size);
	if (!registers || !screen)
		return false;
	if (size < width * height * BYTES_PER_PIXEL) {
		width = 640;
		height = 400;
	}
	set_register(registers, XRES, width);
	set_register(registers, YRES, height);
	set_register(registers, BITS, 8 * BYTES_PER_PIXEL);
	set_register(registers, ENABLE, ENABLED_LINEAR);
	nr_words = width * height * BYTES_PER_PIXEL / sizeof(*screen);
	return true;
}

bool screen_open(void)
{
	bool found = false;
	glob_t devices;

	if (!mounts_have("sysfs", "/sys") || glob(DEVICES, 0, NULL, &devices)) {
		printf("init: the guest has no PCI device\n");
		return false;
	}
	for (size_t i = 0; i < devices.gl_pathc && !found; i++) {
		if (read_number(devices.gl_pathv[i], "class") >> 16 == CLASS_DISPLAY)
			found = map_screen(devices.gl_pathv[i]);
	}
	globfree(&devices);
	return found;
}

bool screen_draw(uint64_t pass)
{
	for (size_t i = 0; i < nr_words; i += STRIDE) {
		uint64_t found = __atomic_load_n(&screen[i], __ATOMIC_RELAXED);

		if (pass > 1 && found != word_of(i, pass - 1, 0)) {
			printf("CORRUPT screen word %zu: drawn in pass %lu, found %#lx\n",
			       i, pass - 1, found);
			return false;
		}
		__atomic_store_n(&screen[i], word_of(i, pass, 0), __ATOMIC_RELAXED);
	}
	return true;
}
