# SPDX-License-Identifier: GPL-2.0
"""
What a QEMU that does not go on is doing: the state of its threads, and what KVM and
they count meanwhile.
"""
import time
from pathlib import Path

COUNTERS = Path("/sys/kernel/debug/kvm")
WINDOW = 2              # seconds between two readings of what is counted


def _text(path):
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _counted(task):
    """Returns what KVM counts of all VMs, and each thread's time in ticks, by name."""
    numbers = {str(path.relative_to(COUNTERS)): int(value) for path in COUNTERS.glob("**/*")
               if path.is_file() and path.name not in ("htab", "radix")
               and (value := _text(path)).isdigit()}
    for thread in task.iterdir():
        if fields := _text(thread / "stat").rpartition(")")[2].split():     # or it has ended
            numbers[f"{thread.name}: user"], numbers[f"{thread.name}: system"] = \
                map(int, fields[11:13])
    return numbers


def report(pid):
    """Yields what the process is doing, as pieces of text."""
    task = Path(f"/proc/{pid}/task")
    if not task.is_dir():
        yield "QEMU has ended"
        return
    for thread in sorted(task.iterdir()):
        state = _text(thread / "stat").rpartition(")")[2].split()[:1]
        yield (f"thread {thread.name}, {_text(thread / 'comm')}, {' '.join(state)}:\n"
               f"{_text(thread / 'stack')}")
    before = _counted(task)
    time.sleep(WINDOW)
    after = _counted(task)
    yield f"counted in {WINDOW} s: " + ", ".join(
        f"{name} {number - before.get(name, 0)}" for name, number in sorted(after.items())
        if number != before.get(name, 0))
