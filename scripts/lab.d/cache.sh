# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The lab's cache: results of steps, and Debian packages, which a private apt
# fetches. Sourced by scripts/lab.
#
# A step runs a recipe (an executable in scripts/lab.d) in an empty directory,
# which becomes the result. The result's name contains a hash of the recipe and
# of all its arguments, so a result is never out of date, and two runs that need
# the same result share it. A finished result is never changed.
#
# Functions that may take long return their answer in $result and do not run in
# a subshell, so that the lab handles a signal at once.
#
# The script that sources this file sets lab_d, the directory of the recipes.

: "${lab_d:?}"
lab_cache=${XDG_CACHE_HOME:-${HOME:?is not set, and neither is XDG_CACHE_HOME}/.cache}/kvm-hv-ext
lab_child=

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 126; }

lab_interrupted() {
	trap '' INT TERM HUP
	[ -z "$lab_child" ] || kill -TERM -- "-$lab_child" 2>/dev/null
	jobs -pr | xargs -r kill -TERM 2>/dev/null
	say "interrupted; finished steps are kept: run the command again to continue"
	exit 130
}
trap lab_interrupted INT TERM HUP

# lab_sources DIR: print the source files of the project that a build reads.
lab_sources() {
	find "$1" \( -name '*.[chS]' -o -name Kbuild -o -name Kconfig -o -name Makefile \) \
		-type f | LC_ALL=C sort
}

# lab_fingerprint ARG...: print what the hash covers for arguments of a recipe:
# the name of a path in the cache (it contains a hash already), the content of
# another file or directory, or else the argument itself.
lab_fingerprint() {
	local arg file
	for arg; do
		case $arg in
		"$lab_cache"/*)
			echo "${arg#"$lab_cache"/}" ;;
		*)
			if [ -d "$arg" ]; then
				lab_sources "$arg" | while read -r file; do
					echo "${file#"$arg"} $(sha256sum <"$file")"
				done
			elif [ -f "$arg" ]; then
				echo "${arg##*/} $(sha256sum <"$arg")"
			else
				echo "$arg"
			fi ;;
		esac
	done
}

lab_lock() {
	mkdir -p "$lab_cache/lock"
	exec 9>"$lab_cache/lock/$1"
	flock -n 9 && return
	say "$1: another run holds the lock, waiting"
	until flock -w 1 9; do :; done
}

lab_unlock() { exec 9>&-; }

# lab_watch LABEL LOG COMMAND...: run COMMAND with its output in LOG, and print
# the last line of LOG every 20 seconds.
lab_watch() {
	local label=$1 log=$2 status=0 start=$SECONDS told=0 tick=0.1
	shift 2
	mkdir -p "${log%/*}"
	say "$label ..."
	setsid "$@" >"$log" 2>&1 </dev/null &
	lab_child=$!
	while kill -0 "$lab_child" 2>/dev/null; do
		sleep "$tick"
		[ $((SECONDS - start)) -lt 5 ] || tick=1
		if [ $((SECONDS - start - told)) -ge 20 ]; then
			told=$((SECONDS - start))
			say "$label: $told s: $(tail -n 1 "$log" | cut -c -90)"
		fi
	done
	wait "$lab_child" || status=$?
	lab_child=
	if [ "$status" -ne 0 ]; then
		{ grep -m 10 -E '[Ee]rror[ :]|\*\*\*|No rule|not found' "$log" || tail -n 25 "$log"; } >&2
		die "$label failed (status $status); all of its output: $log"
	fi
	say "$label: done in $((SECONDS - start)) s"
}

# lab_run COMMAND...: run COMMAND and return its status. A signal to the lab
# ends COMMAND and all its children.
lab_run() {
	local status=0
	setsid "$@" </dev/null &
	lab_child=$!
	wait "$lab_child" || status=$?
	lab_child=
	return "$status"
}

# lab_step NAME RECIPE [ARG...]: set $result to the directory that RECIPE made,
# now or in an earlier run. $LAB_OUT tells the recipe the final path of that
# directory.
lab_step() {
	local name=$1 recipe=$2 key out tmp
	shift 2
	key=$({ cat "$lab_d/$recipe"; lab_fingerprint "$@"; } | sha256sum)
	key=$name-${key:0:12}
	out=$lab_cache/$recipe/$key
	tmp=$lab_cache/tmp/$recipe.$key
	if [ ! -d "$out" ]; then
		lab_lock "$recipe.$key"
		if [ ! -d "$out" ]; then
			rm -rf "$tmp"
			mkdir -p "$tmp" "${out%/*}"
			LAB_OUT=$out lab_watch "$recipe $name" "$lab_cache/log/$recipe.$key" \
				env -C "$tmp" "$lab_d/$recipe" "$@"
			mv -T "$tmp" "$out"
		fi
		lab_unlock
	fi
	result=$out
}

# --- Debian packages ---------------------------------------------------------
# The private apt reads the system's archives, and also ppc64el, sources,
# backports, Debian 13 and sid. It has its own state, so it needs no root and
# does not change what the system installs. From backports, Debian 13 and sid it
# takes a package only if no other archive has it, or if the caller names a
# version or release.

lab_newer=trixie

lab_apt_options=(
	-o "Dir::Etc::sourcelist=$lab_cache/apt/sources.list"
	-o Dir::Etc::sourceparts=/dev/null
	-o Dir::Etc::preferences=/dev/null
	-o Dir::Etc::preferencesparts=/dev/null
	-o "Dir::State=$lab_cache/apt"
	-o "Dir::State::status=$lab_cache/apt/status"
	-o "Dir::Cache=$lab_cache/apt"
	-o Dir::Cache::pkgcache=
	-o Dir::Cache::srcpkgcache=
	-o APT::Architecture=amd64
	-o "APT::Architectures=amd64,ppc64el"
	-o "APT::Default-Release=/^bookworm(|-security|-updates)\$/"
	-o APT::Sandbox::User=
	-o Debug::NoLocking=1
	-o Acquire::Languages=none
)

# lab_apt_sources: print sources.list. The security suite is announced for
# ppc64el, but its ppc64el index is no longer there, and apt drops a whole suite
# if one index does not load.
lab_apt_sources() {
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg uri suite architectures
	# shellcheck disable=SC2016 # apt fills these in
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' \
		'Created-By: Packages' | sed -n 's/^Debian main //p' | sort -u |
	while read -r uri suite; do
		case $suite in
		*-backports) continue ;;
		*-*) ;;
		*)
			echo "deb [arch=amd64,ppc64el signed-by=$keys] $uri $suite-backports main"
			echo "deb [arch=amd64,ppc64el signed-by=$keys] $uri $lab_newer main"
			echo "deb-src [signed-by=$keys] $uri $lab_newer main"
			# A mirror's copy of sid may be older than its
			# Valid-Until date.
			echo "deb [arch=amd64,ppc64el check-valid-until=no signed-by=$keys] $uri sid main" ;;
		esac
		architectures=amd64,ppc64el
		[[ $suite != *-security ]] || architectures=amd64
		echo "deb [arch=$architectures signed-by=$keys] $uri $suite main"
		echo "deb-src [signed-by=$keys] $uri $suite main"
	done
}

# Are the lists less than a week old? Results then stay the same for a while,
# but get security updates in the end.
lab_apt_read() {
	[ -n "$(find "$lab_cache/apt/updated" -mtime -7 2>/dev/null)" ] &&
		grep -q "^deb .* $lab_newer " "$lab_cache/apt/sources.list" &&
		grep -q "^deb .* sid " "$lab_cache/apt/sources.list"
}

# lab_apt_forget: make lab_apt_ready() read the lists again
lab_apt_forget() { rm -f "$lab_cache/apt/updated"; }

lab_apt_ready() {
	local apt=$lab_cache/apt
	! lab_apt_read || return 0
	lab_lock apt
	if ! lab_apt_read; then
		mkdir -p "$apt/lists/partial"
		: >"$apt/status"
		lab_apt_sources >"$apt/sources.list"
		[ -s "$apt/sources.list" ] ||
			die "apt has no lists of a Debian archive; run 'apt-get update' as root, or 'scripts/lab deps'"
		# A failed index matters only if the lab then misses a package,
		# and lab_fetch() reports that.
		lab_watch "reading the lists of Debian's packages" "$lab_cache/log/apt-update" \
			bash -c '"$@" || true' bash apt-get "${lab_apt_options[@]}" update
		touch "$apt/updated"
	fi
	lab_unlock
}

# lab_memo COMMAND [ARG...]: print the output of COMMAND, and cache it until the
# lists are read again (apt takes a second for each query).
lab_memo() {
	local memo tmp
	memo=$lab_cache/apt/memo.$(sha256sum <<<"$*" | cut -c -12)
	if ! [ -s "$memo" ] || ! [ "$memo" -nt "$lab_cache/apt/updated" ]; then
		tmp=$memo.$BASHPID
		"$@" >"$tmp"
		mv "$tmp" "$memo"
	fi
	cat "$memo"
}

# Print the first dependency of package $1 whose name starts with $2.
lab_depends() {
	apt-cache "${lab_apt_options[@]}" depends "$1" |
		sed -n "s/^ *Depends: \($2[^ :]*\).*/\1/p" | head -n 1
}

lab_versions() {
	apt-cache "${lab_apt_options[@]}" madison "$1" | cut -d '|' -f 2 | tr -d ' '
}

lab_file_names() {
	{ apt-get -qq "${lab_apt_options[@]}" --print-uris "$@" 2>/dev/null || true; } |
		cut -d ' ' -f 2
}

# lab_fetch APT-GET-ARG...: set $files to the files that this command of apt-get
# downloads, and download them if they are not in the cache.
lab_fetch() {
	local names tmp=$lab_cache/tmp/deb
	lab_apt_ready
	mapfile -t names < <(lab_memo lab_file_names "$@")
	[ ${#names[@]} -gt 0 ] ||
		die "Debian's lists have nothing for 'apt-get $*' (see $lab_cache/log/apt-update); 'scripts/lab clean --all' makes the lab read them again"
	files=("${names[@]/#/$lab_cache/deb/}")
	! lab_exist "${files[@]}" || return 0
	lab_lock deb
	if ! lab_exist "${files[@]}"; then
		rm -rf "$tmp"
		mkdir -p "$tmp/partial" "$lab_cache/deb"
		lab_watch "fetching ${names[-1]}" "$lab_cache/log/deb.${names[-1]}" env -C "$tmp" \
			apt-get -y "${lab_apt_options[@]}" -o "Dir::Cache::archives=$tmp" "$@"
		find "$tmp" -maxdepth 1 -type f -exec mv -t "$lab_cache/deb" {} +
		rm -rf "$tmp"
	fi
	lab_unlock
}

lab_exist() {
	local file
	for file; do
		[ -f "$file" ] || return
	done
}

# lab_deb PACKAGE[:ARCH][=VERSION]: set $result to that package's file.
lab_deb() {
	lab_fetch download "$1"
	# shellcheck disable=SC2034 # read by the caller
	result=${files[0]}
}
