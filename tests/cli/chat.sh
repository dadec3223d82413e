#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu run --chat: turns from standard input.
. tests/cli/lib.sh

# chat INPUT OPTION... - talk to the model
chat() {
	input=$1
	shift
	printf '%b' "$input" | "$BITNPU" run "$MODEL" --chat "$@" >"$tmp/out" 2>"$tmp/err"
	rc=$?
}

chat 'In the beginning\nAnd the\n' -n 12 --temp 0 --ignore-eos
[ "$rc" -eq 0 ] && [ "$(wc -l <"$tmp/out")" -ge 2 ] && [ ! -s "$tmp/err" ]
report $? 'two turns, two answers, no prompts where there is no terminal'
cp "$tmp/out" "$tmp/two"
chat 'In the beginning\nAnd the\n' -n 12 --temp 0 --ignore-eos --device golden
[ "$rc" -eq 0 ] && cmp "$tmp/out" "$tmp/two" >>"$tmp/err"
report $? 'the same on golden'
chat 'And the\n' -n 12 --temp 0 --ignore-eos -p 'In the beginning'
[ "$rc" -eq 0 ] && cmp "$tmp/out" "$tmp/two" >>"$tmp/err"
report $? '--prompt is the first turn'
chat '\n\nIn the beginning\n\nAnd the' -n 12 --temp 0 --ignore-eos
[ "$rc" -eq 0 ] && cmp "$tmp/out" "$tmp/two" >>"$tmp/err"
report $? 'empty lines are no turns, the last line needs no end'
chat 'In the beginning\n' -n 12 --temp 0 --ignore-eos
[ "$rc" -eq 0 ] && [ "$(wc -c <"$tmp/out")" -lt "$(wc -c <"$tmp/two")" ] &&
	head -c "$(wc -c <"$tmp/out")" "$tmp/two" | cmp - "$tmp/out" >>"$tmp/err"
report $? 'one turn, one answer'
chat '' -n 12
[ "$rc" -eq 0 ] && [ ! -s "$tmp/out" ]
report $? 'no turn, no answer'
chat 'a\nb\nc\nd\ne\nf\n' -n 12 --ctx 24 --temp 0 --ignore-eos
[ "$rc" -eq 0 ] && grep -q 'the context of 24 tokens is full: the conversation starts over' "$tmp/err" &&
	[ "$(wc -l <"$tmp/out")" -ge 6 ]
report $? 'a full context starts over, and every turn is answered'
chat "$(head -c 3000 /dev/zero | tr '\0' 'x')\nIn the beginning\n" -n 4 --temp 0 --ignore-eos
[ "$rc" -eq 0 ] && grep -q 'the prompt needs' "$tmp/err" && [ -s "$tmp/out" ]
report $? 'a turn longer than the context is refused, the next is answered'
chat 'a\0b\n' -n 2 --ignore-eos
[ "$rc" -eq 0 ] && grep -q 'cut at its NUL' "$tmp/err"
report $? 'a NUL byte'
chat 'a\n' -n 4 --stats
[ "$rc" -eq 0 ] && grep -q '^decode ' "$tmp/err"
report $? '--stats at the end'
if ! "$BITNPU" inspect "$MODEL" | grep -q '^tokenizer.chat_template '; then
	chat 'a\n' --system 'Be brief.'
	[ "$rc" -eq 1 ] && one_line '--system: the model has no chat format'
	report $? '--system without a chat format'
fi

# With a chat format a turn is the prompt that the format makes of it.
plain=$MODEL
damage chatml "$tmp/chatml.gguf"
user='<|im_start|>user
hello<|im_end|>
<|im_start|>assistant
'
system='<|im_start|>system
Be brief.<|im_end|>
'
"$BITNPU" run "$plain" -p "$user" -n 12 --temp 0 --ignore-eos --no-prompt-echo >"$tmp/user"
"$BITNPU" run "$plain" -p "$system$user" -n 12 --temp 0 --ignore-eos --no-prompt-echo >"$tmp/system"
MODEL=$tmp/chatml.gguf
chat 'hello\n' -n 12 --temp 0 --ignore-eos
[ "$rc" -eq 0 ] && cmp "$tmp/out" "$tmp/user" >>"$tmp/err"
report $? 'a chat format: a turn'
chat 'hello\nhello\n' -n 12 --temp 0 --ignore-eos --system 'Be brief.'
[ "$rc" -eq 0 ] && head -c "$(wc -c <"$tmp/system")" "$tmp/out" | cmp - "$tmp/system" >>"$tmp/err"
report $? 'a chat format: --system before the first turn'
tail -c +"$(($(wc -c <"$tmp/system") + 1))" "$tmp/out" >"$tmp/second"
[ -s "$tmp/second" ] && ! cmp -s "$tmp/second" "$tmp/system"
report $? 'a chat format: the second turn knows the first'
MODEL=$plain

printf 'a\n' | "$BITNPU" run "$MODEL" --chat -n 4 >/dev/full 2>"$tmp/err"
rc=$?
[ "$rc" -eq 1 ] && one_line 'standard output: '
report $? 'a full standard output'
"$BITNPU" run "$MODEL" --chat <&- >"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 1 ] && one_line 'standard input: '
report $? 'a closed standard input'
"$BITNPU" run "$MODEL" --chat <"$tmp" >"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 1 ] && one_line 'standard input: '
report $? 'a directory as standard input'

finish
