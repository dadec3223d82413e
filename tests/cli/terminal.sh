#!/bin/sh
# SPDX-License-Identifier: MIT
# What a terminal shows: progress lines, the prompt of a chat, no control characters.
. tests/cli/lib.sh

if ! script -qec true /dev/null >/dev/null 2>&1; then
	echo '1..0 # SKIP script cannot open a terminal here'
	exit 0
fi

# on_terminal COMMAND - run it on a terminal of its own; what that shows goes to $tmp/out
on_terminal() {
	TERM=${2-xterm} script -qec "$1" /dev/null >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
}

cr=$(printf '\r')
clear=$(printf '\r\033\[K')
# Over a second of work on golden, whose speed is the least of all.
"$PYTHON" tests/cli/sparse.py "$tmp/sparse.gguf" 6
head -c 2500 /dev/zero | tr '\0' 'x' >"$tmp/prompt"
slow="$BITNPU run $MODEL -f $tmp/prompt --ctx 2600 --batch 8 -n 4 --temp 0 --device golden"

on_terminal "$BITNPU pack $tmp/sparse.gguf $tmp/out.gguf"
[ "$rc" -eq 0 ] && grep -q "${cr}.*packing \[#*\.*\] *[0-9]* %" "$tmp/out"
report $? 'pack shows a bar'
tr '\r' '\n' <"$tmp/out" | sed 's/\x1b\[K//' | grep -q '^read  .*: 768.00 MiB' &&
	grep -q "${clear}read " "$tmp/out"
report $? 'which is gone before the results'
on_terminal "$BITNPU inspect $MODEL"
[ "$rc" -eq 0 ] && ! grep -q "$clear" "$tmp/out"
report $? 'nothing for what is quick'

on_terminal "$slow"
[ "$rc" -eq 0 ] && grep -q "${cr}.*reading the prompt \[#*\.*\] *[0-9]* %  [0-9?.]* *[a-z]* *left" "$tmp/out"
report $? 'run shows a bar with the time left while it reads a long prompt'
[ "$(grep -o "$clear" "$tmp/out" | wc -l)" -ge 3 ] && grep -q "${clear}xxxx" "$tmp/out"
report $? 'which is gone before the text'
on_terminal "$slow 2>$tmp/progress"
[ "$rc" -eq 0 ] && [ ! -s "$tmp/progress" ]
report $? 'but nothing when standard error is a file'
on_terminal "$slow" dumb
[ "$rc" -eq 0 ] && ! grep -q 'reading' "$tmp/out"
report $? 'nor on a dumb terminal'
on_terminal "stty cols 40; $slow"
# the bar and its escape sequence, but not the text
tr '\r' '\n' <"$tmp/out" | sed 's/\x1b\[K//' | grep '^reading' | awk 'length > 39 { exit 1 }' &&
	grep -q 'reading' "$tmp/out"
report $? 'and fits a narrow terminal'
on_terminal "$BITNPU run $MODEL -p In -n 2000 --ctx 2400 --ignore-eos --device golden >$tmp/text"
[ "$rc" -eq 0 ] && grep -q "generating \[" "$tmp/out" && ! grep -q "$cr" "$tmp/text"
report $? 'run shows a bar while it writes into a file'

# A prompt is the first text that comes out, so it stands for what a model could write.
on_terminal "$BITNPU run $MODEL -p '$(printf 'a\033[31mb\177\302\233c')' -n 1 --temp 0"
[ "$rc" -eq 0 ] && grep -q '^a.*\[31mb' "$tmp/out" &&
	! LC_ALL=C grep -q "$(printf '[\033\177]')" "$tmp/out" &&
	! grep -q "$(printf '\302\233')" "$tmp/out"
report $? 'text on a terminal has no control characters'
"$BITNPU" run "$MODEL" -p "$(printf 'a\033[31mb')" -n 1 --temp 0 >"$tmp/out" 2>"$tmp/err"
grep -q "$(printf '\033')" "$tmp/out"
report $? 'in a file it is as it is'

(
	sleep 1
	echo 'In the'
	sleep 2
	printf '\004'
	sleep 1
) | script -qec "$BITNPU run $MODEL -n 5 --temp 0 --ignore-eos" /dev/null >"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 0 ] && grep -q 'a line is a turn' "$tmp/out" && grep -q '^> ' "$tmp/out" &&
	[ "$(wc -l <"$tmp/out")" -ge 3 ]
report $? 'without a prompt, run talks'

finish
