# SPDX-License-Identifier: GPL-2.0
"""Arguments of kvm-hv-ext."""

import argparse
import os
import sys

from kvm_hv_ext import check, errors, host, migration, status, top

EPILOG = """\
exit status: 0 done; 1 no (not loaded, cannot be loaded, no such VM, no migration);
2 wrong arguments; 3 needs root; 4 failed. See kvm-hv-ext(8)."""


def _positive(text):
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be positive")
    return number


def parser():
    top_level = argparse.ArgumentParser(
        prog="kvm-hv-ext", description="Shows what the kernel module kvm-hv-ext does.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top_level.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="for programs: see kvm-hv-ext(8)")
        sub.add_argument("--root", default="/", metavar="DIR",
                         help="read /proc and /sys of another host, copied to DIR")
        return sub

    command("status", status.run, "the module, and the VMs of this host")
    sub = command("top", top.run, "what the tracked VMs do now")
    sub.add_argument("-b", "--batch", action="store_true", help="print; no screen")
    sub.add_argument("-n", "--iterations", type=int, default=0, metavar="N",
                     help="print N times, then end (default: until interrupted)")
    sub.add_argument("-d", "--delay", type=_positive, default=2.0, metavar="SECONDS",
                     help="interval (default: 2)")
    sub.add_argument("-s", "--sort", choices=top.COLUMNS, default="clean/s", metavar="COLUMN",
                     help="sort by " + ", ".join(top.COLUMNS))
    sub = command("migration", migration.run, "the rounds of one migration of a VM")
    sub.add_argument("pid", type=int, metavar="PID", help="process of the VM (QEMU)")
    sub.add_argument("-p", "--plot", metavar="FILE", help="draw the rounds: FILE.svg or FILE.png")
    sub.add_argument("-t", "--timeout", type=_positive, metavar="SECONDS",
                     help="end after that (default: when the migration ends)")
    sub.add_argument("-o", "--save", metavar="FILE", help="write it to FILE, for 'report'")
    sub = command("report", migration.run_report, "a migration that was saved, once more")
    sub.add_argument("file", metavar="FILE", help="what 'migration --save' has written")
    sub.add_argument("-p", "--plot", metavar="FILE", help="draw the rounds: FILE.svg or FILE.png")
    command("check", check.run, "can this host load the module, and what would change")
    return top_level


def main(argv=None):
    args = parser().parse_args(argv)
    try:
        return args.run(args, host.Host(args.root))
    except errors.Error as error:
        print(f"kvm-hv-ext: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.OK
    except OSError as error:
        print(f"kvm-hv-ext: {error}", file=sys.stderr)
        return errors.FAILED
