# SPDX-License-Identifier: GPL-2.0
# Shell library of the scripts: messages, the cache and its locks, the package mirror.

set -euo pipefail
shopt -s inherit_errexit

RVS_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RVS_CACHE=$(realpath -m "${RVS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rvs}")
RVS_SUITE=trixie
export RVS_SOURCE RVS_CACHE

say() { printf 'rvs: %s\n' "$*" >&2; }

# Ends the script with one sentence that says what could not be had and why.
die() {
	say "$*"
	exit 1
}

need_root() {
	[[ $(id -u) == 0 ]] || die "this needs root, because it makes chroots and mounts; please run it with sudo."
}

# need_disk GIGABYTES: there must be that much room for the cache.
need_disk() {
	mkdir -p "$RVS_CACHE" || die "the cache folder $RVS_CACHE cannot be made."
	local free
	free=$(df --output=avail -BG "$RVS_CACHE" | tail -1 | tr -dc 0-9)
	((free >= $1)) || die "the disk is too full: $RVS_CACHE has $free GB left and this step needs $1 GB."
}

# hash_of TEXT...: a short key for a configuration.
hash_of() { printf '%s\n' "$@" | sha256sum | cut -c1-12; }

# The sentence that explains a failed log.
why() {
	if grep -qi 'no space left on device' "$1"; then
		echo "the disk is full"
	elif grep -qiE 'temporary failure resolving|could not resolve|unable to connect|could not connect|network is unreachable|connection timed out' "$1"; then
		echo "the network or the package mirror cannot be reached"
	elif grep -qiE 'hash sum mismatch|failed to fetch' "$1"; then
		echo "the package mirror does not hold together (stale index); trying later or another RVS_MIRROR may help"
	elif grep -qiE 'NO_PUBKEY|not signed|signatures' "$1"; then
		echo "the package index is not signed by a key this machine knows (package debian-archive-keyring)"
	else
		grep -iE 'error|fatal' "$1" | tail -1 || echo "see the log"
	fi
}

# step WHAT COMMAND...: runs a long command with its output in a log, says how it goes and why it failed.
step() {
	local what=$1 log start ticker status=0
	shift
	mkdir -p "$RVS_CACHE/log"
	log=$RVS_CACHE/log/$(tr -cs 'a-zA-Z0-9.\n' - <<<"$what").log
	start=$SECONDS
	say "$what …"
	(while sleep 30; do
		say "$what … $((SECONDS - start)) s: $(tail -1 "$log" | tr -d '\r' | cut -c1-80)"
	done) &
	ticker=$!
	("$@") >"$log" 2>&1 </dev/null || status=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	((status == 0)) || die "$what failed: $(why "$log") (log: $log)."
	say "$what: $((SECONDS - start)) s"
}

# retry COMMAND...: three tries, for what the network may spoil.
retry() {
	local try
	for try in 1 2 3; do
		if "$@"; then return 0; fi
		sleep $((try * 3))
	done
	return 1
}

# cached NAME MAKER...: prints $RVS_CACHE/NAME; if it is not there, `MAKER... DIRECTORY` makes it beside,
# and it is renamed when complete. A second run meanwhile waits.
cached() {
	local name=$1 dir=$RVS_CACHE/$1 lock
	shift
	if [[ ! -e $dir ]]; then
		mkdir -p "$RVS_CACHE/lock" "$(dirname "$dir")"
		exec {lock}>"$RVS_CACHE/lock/${name//\//-}"
		if ! flock -n "$lock"; then
			say "another run is making $name; waiting for it …"
			flock "$lock"
		fi
		if [[ ! -e $dir ]]; then
			rm -rf --one-file-system "$dir.part"
			"$@" "$dir.part"
			mv -T "$dir.part" "$dir"
		fi
		exec {lock}>&-
	fi
	echo "$dir"
}

# machine_of KERNEL: the machine that a kernel of `setup` is for, by Debian's name; um for user-mode Linux.
machine_of() {
	case $1 in
	*arm64*) echo arm64 ;;
	riscv64 | s390x) echo "$1" ;;
	native) echo um ;;
	*) echo amd64 ;;
	esac
}

# chosen_kernel: the kernel of the machine that `make ARCH=…` chose (RVS_ARCH); the stock one of this machine without.
chosen_kernel() {
	case ${RVS_ARCH:-} in
	'') echo stock ;;
	arm64) echo stock-arm64 ;;
	*) echo "$RVS_ARCH" ;;
	esac
}

# Commands of `inroot` run in the newer build root from here on; bindgen takes the libclang that it knows.
take_newer() { export RVS_TREE=newer LIBCLANG_PATH=/usr/lib/llvm-19/lib RVS_LLVM=-22; }

# The Debian mirror this machine is configured for; empty if it has none (then mmdebstrap knows one).
mirror() {
	if [[ -n ${RVS_MIRROR:-} ]]; then
		echo "${RVS_MIRROR%/}"
		return
	fi
	local found
	# shellcheck disable=SC2016
	found=$(apt-get indextargets --format '$(CREATED_BY) $(REPO_URI)' 2>/dev/null | sed -n 's,^Packages \(.*/debian\)/*$,\1,p' | head -1) || true
	echo "$found"
}

# Installs what the host itself must have: mmdebstrap and Debian's keys.
need_host_tools() {
	need_root
	command -v apt-get >/dev/null || die "this needs a Debian or Ubuntu machine: apt-get is missing."
	if ! command -v mmdebstrap >/dev/null; then
		step "installing mmdebstrap on this machine" retry install_host_tools
	fi
}
install_host_tools() {
	apt-get update -o Acquire::Retries=3
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap debian-archive-keyring
}

# debian_tree DIRECTORY ARCHITECTURE PACKAGE,... [MMDEBSTRAP OPTION...]: a Debian tree; with backports, if it runs here.
debian_tree() {
	local dir=$1 arch=$2 packages=$3 mirror keys=$RVS_CACHE/keys where=()
	shift 3
	mkdir -p "$keys"
	cp /usr/share/keyrings/debian-archive-*.gpg "$keys/" 2>/dev/null || true
	mirror=$(mirror)
	if [[ -n $mirror ]]; then
		where=("deb $mirror $RVS_SUITE main")
		[[ $arch != amd64 ]] || where+=("deb $mirror $RVS_SUITE-backports main")
	fi
	retry mmdebstrap_once "$dir" --variant=minbase --architectures="$arch" --include="$packages" \
		--keyring="$keys" --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
		--skip=cleanup/apt/lists "$@" "$RVS_SUITE" "$dir" "${where[@]}"
}
# In a mount namespace of its own: what mmdebstrap mounts in the tree goes with it, however it ends.
mmdebstrap_once() {
	rm -rf --one-file-system "$1"
	shift
	unshare --mount --propagation private mmdebstrap "$@"
}
