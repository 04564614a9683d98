# SPDX-License-Identifier: GPL-2.0
# Shell library for tests: runs one check after the other, counts, and prints the closing line.

RVS_RESULTS=${RVS_RESULTS:-$(mktemp)}
export RVS_RESULTS

# outcome ok|failed|skipped COUNT NAME: notes a result.
outcome() { echo "$1 $2 $3" >>"$RVS_RESULTS"; }

# check NAME COMMAND...: runs one test; its output is shown if it fails.
check() {
	local name=$1 log start=$SECONDS
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		outcome ok 1 "$name"
		printf 'ok      %-34s %4d s  %s\n' "$name" $((SECONDS - start)) "$(tail -1 "$log" | cut -c1-90)"
	else
		outcome failed 1 "$name"
		printf 'FAILED  %-34s %4d s\n' "$name" $((SECONDS - start))
		tail -40 "$log" | sed 's/^/        /'
	fi
	rm -f "$log"
}

# cargo_tests FOLDER [--target TARGET CARGO'S ARGUMENTS...]: the tests of one cargo package, each counted.
cargo_tests() {
	local name=$1${3:+ $3} folder=$1 begun=$SECONDS status=0 log
	shift
	log=build/host-${name//[\/ ]/-}.log
	CARGO_TARGET_DIR=$RVS_SOURCE/build/cargo scripts/inroot cargo test --quiet --manifest-path "$folder/Cargo.toml" "$@" \
		>"$log" 2>&1 </dev/null || status=$?
	local passed failed ignored
	read -r passed failed ignored < <(awk '/^test result:/ {p += $4; f += $6; i += $8} END {print p + 0, f + 0, i + 0}' "$log")
	((status == 0 || failed)) || failed=1
	((passed + failed)) || failed=1
	outcome ok "$passed" "$name"
	((failed == 0)) || { outcome failed "$failed" "$name"; tail -60 "$log"; }
	((ignored == 0)) || outcome skipped "$ignored" "$name"
	printf '%-7s %-34s %4d s  %s\n' "$( ((failed)) && echo FAILED || echo ok)" "$name" $((SECONDS - begun)) "$passed passed, $failed failed"
}

sum() { awk -v kind="$1" '$1 == kind {n += $2} END {print n + 0}' "$RVS_RESULTS"; }

# The closing line; fails unless everything ran and passed.
closing_line() {
	local failed skipped
	failed=$(sum failed) skipped=$(sum skipped)
	if ((failed + skipped)); then
		sed -n 's/^\(failed\|skipped\) [0-9]* /\1: /p' "$RVS_RESULTS"
	fi
	echo "$(sum ok) passed, $failed failed, $skipped skipped"
	((failed + skipped == 0))
}
