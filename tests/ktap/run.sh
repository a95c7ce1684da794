#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run - run suites in a POWER host, on stock and on the module in one boot
#
# Each suite is a program that prints KTAP. Most suites run twice: first without
# the module, then on VMs created after it was inserted. Suites that insert and
# remove the module themselves run once. The output is one KTAP document with a
# subtest for each run. The exit status is 0 if no run failed.

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
MODULE_NAME=kvm_hv_ext
MODULE=/lab/modules/kvm-hv-ext.ko

usage() {
	cat <<USAGE
Usage: run [OPTION]... SUITE[.stock|.ours]...

Options:
  --seed N        start of the pseudo-random sequences (default: random)
  --scale PERCENT amount of work (default: 100)
  --exact         the emulated host implements tlbie exactly: let vCPUs run on
                  after a collection, and fail on lost stores in tests that
                  unmap guest memory
  --manual        use manual protection (KVM_CLEAR_DIRTY_LOG) for logged VMs, with
                  all pages dirty when logging begins; not possible on stock
  --stock         run on stock only
  --ours          run on the module only
  --test NAME     run only tests of this name in each suite
  --strict        report known failures of stock as failures
  --module FILE   the module (default: $MODULE)
  --set NAME=VAL  set a parameter of the module
  --help          show this text

Suites:
$(suites | sed 's/^/  /')
USAGE
}

suites() {
	sed '/^#/d' "$here/suites"
}

# subjects_of SUITE[.SUBJECT]
subjects_of() {
	suites | awk -v suite="${1%.*}" -v only="${1#"${1%.*}"}" '
		$1 == suite {
			for (i = 2; i <= NF; i++)
				if (only == "" || only == "." $i)
					print $i
		}'
}

# asked_for SUBJECT: true if the options select it; --ours includes "alone"
asked_for() {
	[ -z "$only" ] || [ "$1" = "$only" ] || [ "$1 $only" = "alone ours" ]
}

loaded() {
	[ -d "/sys/module/$MODULE_NAME" ]
}

# run_one SUITE SUBJECT: print the output as a subtest, return whether it passed
run_one() {
	echo "  # Subtest: $1.$2"
	{
		# shellcheck disable=SC2086 # an option and its value
		KTAP_SUBJECT=$2 "./$1" $tests 2>&1
		echo $? >"$dir/status"
	} | sed 's/^TAP version.*/KTAP version 1/; s/^/  /'
	read -r status <"$dir/status"
	# 4: all tests were skipped
	[ "$status" -eq 0 ] || [ "$status" -eq 4 ]
}

run_stock() {
	if loaded; then
		echo "  # the module is loaded: cannot test stock"
		return 1
	fi
	run_one "$1" stock
}

run_ours() {
	# shellcheck disable=SC2086 # a list
	if ! insmod "$MODULE" $parameters; then
		echo "  # cannot insert the module"
		return 1
	fi
	run_one "$1" ours
	result=$?
	if ! rmmod "$MODULE_NAME"; then
		echo "  # cannot remove the module"
		result=1
	fi
	return $result
}

run_alone() {
	if loaded; then
		echo "  # the module is loaded, but the suite inserts it itself"
		return 1
	fi
	run_one "$1" alone
}

KTAP_SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d " ")
KTAP_SCALE=100
KTAP_EXACT=0
KTAP_MANUAL=0
KTAP_STRICT=0
only=
parameters=
tests=

while [ $# -gt 0 ]; do
	case $1 in
	--seed | --scale | --module | --set | --test)
		if [ $# -lt 2 ]; then
			echo "run: $1 needs a value" >&2
			exit 2
		fi
		case $1 in
		--seed) KTAP_SEED=$2 ;;
		--scale) KTAP_SCALE=$2 ;;
		--module) MODULE=$2 ;;
		--set) parameters="$parameters $2" ;;
		--test) tests="-t $2" ;;
		esac
		shift
		;;
	--exact) KTAP_EXACT=1 ;;
	--manual) KTAP_MANUAL=1 ;;
	--strict) KTAP_STRICT=1 ;;
	--stock) only=stock ;;
	--ours) only=ours ;;
	--help)
		usage
		exit 0
		;;
	-*)
		echo "run: no such option: $1 (see run --help)" >&2
		exit 2
		;;
	*) break ;;
	esac
	shift
done

if [ $# -eq 0 ]; then
	usage >&2
	exit 2
fi

plan=0
for suite; do
	subjects=$(subjects_of "$suite")
	if [ -z "$subjects" ]; then
		echo "run: no such suite: $suite (see run --help)" >&2
		exit 2
	fi
	for subject in $subjects; do
		if asked_for "$subject"; then
			plan=$((plan + 1))
		fi
	done
done

cd "$here" || exit 2
dir=$(mktemp -d)
# DAMON_STAT samples which pages are accessed, if the kernel's configuration has it
# enabled: it clears R of pages at random, and suites would count the guest's faults.
sampling=/sys/module/damon_stat/parameters/enabled
sampled=
if grep -qs Y "$sampling"; then
	sampled=Y
	echo N >"$sampling"
fi
trap 'rm -rf "$dir"; [ -z "$sampled" ] || echo Y >"$sampling"' EXIT
KTAP_MODULE=$MODULE
export KTAP_EXACT KTAP_MANUAL KTAP_MODULE KTAP_SCALE KTAP_SEED KTAP_STRICT
# Suites compare the module's results with records of a run on stock.
if [ -z "$only" ]; then
	export KTAP_RECORDS="$dir"
fi

echo "KTAP version 1"
echo "1..$plan"
echo "# seed $KTAP_SEED, scale $KTAP_SCALE percent"
number=0
failed=0
for suite; do
	for subject in $(subjects_of "$suite"); do
		asked_for "$subject" || continue
		number=$((number + 1))
		start=$(date +%s)
		name=${suite%.*}.$subject
		if "run_$subject" "${suite%.*}"; then
			echo "ok $number $name"
		else
			echo "not ok $number $name"
			failed=$((failed + 1))
		fi
		echo "# $name took $(($(date +%s) - start)) s"
	done
done

[ "$failed" -eq 0 ]
