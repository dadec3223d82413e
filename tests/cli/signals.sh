#!/bin/sh
# SPDX-License-Identifier: MIT
# Ctrl-C and its like.
. tests/cli/lib.sh

# after SECONDS SIGNAL ARGUMENT... - run bitnpu and send it a signal, once: without --foreground, timeout
# signals its process group too, and a second signal ends the command at once
after() {
	seconds=$1
	signal=$2
	shift 2
	timeout --foreground --preserve-status -k 60 -s "$signal" "$seconds" \
		"$BITNPU" "$@" >"$tmp/out" 2>"$tmp/err"
	rc=$?
}

# More text than there is time for.
endless='-n 1000000 --ctx 1000000 --ignore-eos --temp 0 -p In'
# The first run may compile kernels for longer than the signals wait.
"$BITNPU" run "$MODEL" -n 2 --temp 0 -p In >/dev/null 2>&1

# shellcheck disable=SC2086
after 2 INT run "$MODEL" $endless --stats
[ "$rc" -eq 130 ] && [ -s "$tmp/out" ] && grep -q '^decode .* tokens/s' "$tmp/err" &&
	[ "$(tail -c 1 "$tmp/out" | od -An -c | tr -d ' ')" = '\n' ]
report $? 'run: SIGINT ends the text, then come the statistics'
# shellcheck disable=SC2086
after 2 TERM run "$MODEL" $endless --json
[ "$rc" -eq 143 ] && [ ! -s "$tmp/err" ] && json 'd["stop"] == "signal" and d["tokens"] > 1'
report $? 'run: SIGTERM, with --json'
# shellcheck disable=SC2086
(trap '' INT && after 1 INT run "$MODEL" -n 40 --ctx 1000 --ignore-eos -p In && exit "$rc")
rc=$?
[ "$rc" -eq 0 ]
report $? 'run: SIGINT that is ignored stays ignored'
mkfifo "$tmp/fifo"
sleep 30 >"$tmp/fifo" &
sleeper=$!
timeout --foreground --preserve-status -s INT 1 "$BITNPU" run "$MODEL" \
	<"$tmp/fifo" >"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 130 ] && one_line 'standard input: Interrupted'
report $? 'run: SIGINT while the prompt is awaited'
timeout --foreground --preserve-status -s INT 1 "$BITNPU" run "$MODEL" --chat \
	<"$tmp/fifo" >"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 130 ] && [ ! -s "$tmp/err" ]
report $? 'run --chat: SIGINT while a turn is awaited'
kill "$sleeper"

devices=
for _ in $(seq 100); do
	devices="$devices --device golden"
done
# shellcheck disable=SC2086
after 1 INT verify "$MODEL" $devices --decode 200 --prefill 4 --json
if [ "$rc" -eq 0 ]; then
	skip 'verify: SIGINT' 'this machine is too fast for it'
else
	[ "$rc" -eq 130 ] && [ ! -s "$tmp/out" ] && one_line '^bitnpu verify: interrupted$'
	report $? 'verify: SIGINT'
fi
after 1 INT bench --device golden --repeat 1000 --shape 1x64x64 --roof-buffer 64M
[ "$rc" -eq 130 ] && [ ! -s "$tmp/out" ] && one_line '^bitnpu bench: interrupted$'
report $? 'bench: SIGINT'

mkdir "$tmp/dir"
"$PYTHON" tests/cli/sparse.py "$tmp/sparse.gguf" 32
after 1 INT pack "$tmp/sparse.gguf" "$tmp/dir/out.gguf"
[ "$rc" -eq 130 ] && [ ! -s "$tmp/out" ] && one_line '^bitnpu pack: interrupted' &&
	[ -z "$(ls -A "$tmp/dir")" ]
report $? 'pack: SIGINT leaves nothing'

finish
