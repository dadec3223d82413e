#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu run: text from a prompt.
. tests/cli/lib.sh

prompt='In the beginning'

usage_error 'no model' 'missing argument' run
usage_error 'two models' "extra argument 'b'" run a b
for bad in tokens=0 tokens=x tokens=-1 tokens= tokens=99999999999 tokens=1e3 temp=-1 temp=nan temp=inf \
	   temp=0x1 temp=1,5 top-k=1.5 top-p=2 min-p=-0.1 repeat-penalty=x repeat-last=-1 seed=-1 \
	   seed=18446744073709551616 ctx=0 ctx=4294967297 batch=0 batch=x threads=0 threads=1025; do
	usage_error "--$bad" "^bitnpu run: --${bad%%=*}: '${bad#*=}' is not " run m "--$bad" -p a
done
usage_error 'an option without its value' "'-n' needs an argument" run m -p a -n
usage_error 'two prompts' '--prompt and --file exclude' run m -p a -f b
usage_error 'a chat as JSON' '--chat and --json exclude' run m --chat --json
usage_error 'an empty stop string' '--stop: ' run m -p a --stop ''

# The text does not depend on where it is computed, nor on how the prompt is cut.
expect 0 'golden' run "$MODEL" -p "$prompt" -n 48 --temp 0 --device golden
cp "$tmp/out" "$tmp/golden"
[ "$(wc -c <"$tmp/golden")" -gt 40 ] && head -c 16 "$tmp/golden" | grep -q "^$prompt" &&
	[ "$(tail -c 1 "$tmp/golden" | od -An -c | tr -d ' ')" = '\n' ]
report $? 'prints the prompt, the text and a newline'
if has_device opencl; then
	expect 0 'opencl' run "$MODEL" -p "$prompt" -n 48 --temp 0 --device opencl
	cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
	report $? 'gives the same text'
else
	skip 'opencl' 'no OpenCL device'
fi
run run "$MODEL" -p "$prompt" -n 48 --temp 0 --batch 3
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'the text does not depend on --batch'
run run "$MODEL" -p "$prompt" -n 48 --temp 0 --device auto
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? '--device auto'
# Drivers of OpenCL are large: none is loaded where there is nothing to drive.
mkdir "$tmp/icd"
echo "$tmp/driver.so" >"$tmp/icd/test.icd"
loads_drivers() {
	OCL_ICD_VENDORS="$tmp/icd" LD_DEBUG=files "$BITNPU" "$@" >"$tmp/out" 2>"$tmp/loads" </dev/null
	rc=$?
	grep -qF "file=$tmp/driver.so" "$tmp/loads"
}
loads_drivers devices
report $? 'devices loads the drivers of OpenCL'
# As in opencl/hardware.c.
if [ -n "$(find /dev/dri/renderD* /dev/nvidia[0-9]* /dev/kfd /dev/dxg /dev/mali[0-9]* /dev/kgsl-3d0 \
	/dev/pvrsrvkm /dev/galcore -prune 2>/dev/null)" ]; then
	skip 'auto loads no driver' 'there is a GPU'
else
	! loads_drivers run "$MODEL" -p x -n 1 --device auto && [ "$rc" -eq 0 ]
	report $? 'auto loads no driver without a GPU'
fi
without_opencl run run "$MODEL" -p "$prompt" -n 48 --temp 0
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'without OpenCL'
"$BITNPU" pack "$MODEL" "$tmp/packed.gguf" >/dev/null
run run "$tmp/packed.gguf" -p "$prompt" -n 48 --temp 0
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'the packed model writes the same'
run run -n 48 --temp 0 -p "$prompt" -- "$MODEL"
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'options before the model'
printf '%s' "$prompt" >"$tmp/prompt"
run run "$MODEL" -f "$tmp/prompt" -n 48 --temp 0
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'the prompt from a file'
"$BITNPU" run "$MODEL" -n 48 --temp 0 <"$tmp/prompt" >"$tmp/out" 2>"$tmp/err"
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'the prompt from a pipe'
run run "$MODEL" -p "$prompt" -n 48 --temp 0 --no-prompt-echo
printf '%s' "$prompt" | cat - "$tmp/out" | cmp - "$tmp/golden" >>"$tmp/err"
report $? '--no-prompt-echo'
[ "$rc" -eq 0 ] && [ ! -s "$tmp/err" ]
report $? 'nothing on standard error'

# Sampling.
run run "$MODEL" -p "$prompt" -n 32 --seed 7
cp "$tmp/out" "$tmp/seven"
run run "$MODEL" -p "$prompt" -n 32 --seed 7 --device golden
cmp "$tmp/out" "$tmp/seven" >>"$tmp/err"
report $? 'the same seed gives the same text on another device'
for seed in 8 9 10; do
	run run "$MODEL" -p "$prompt" -n 32 --seed $seed
	cmp -s "$tmp/out" "$tmp/seven" || break
done
! cmp -s "$tmp/out" "$tmp/seven"
report $? 'another seed gives another text'
run run "$MODEL" -p "$prompt" -n 48 --temp 5 --top-k 1
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? '--top-k 1 is greedy'
run run "$MODEL" -p "$prompt" -n 48 --temp 0 --repeat-penalty 1.5
[ "$rc" -eq 0 ] && ! cmp -s "$tmp/out" "$tmp/golden"
report $? '--repeat-penalty changes the text'

# Ends.
expect_json 'JSON: a limit' \
	'd["stop"] == "limit" and d["tokens"] == 5 and d["prompt"] == "In the beginning" and
	 d["text"] and d["device"] and int(d["seed"]) > 0 and
	 d["stats"]["decode_tokens"] == 4 and d["stats"]["prefill_tokens"] >= 2 and
	 d["stats"]["decode_tokens_per_s"] > 0 and d["stats"]["peak_rss_bytes"] > 1e6' \
	run "$MODEL" -p "$prompt" -n 5 --json
text=$("$BITNPU" run "$MODEL" -p "$prompt" -n 32 --temp 0 --no-prompt-echo)
stop=$(printf '%s' "$text" | tr '\n' '#' | cut -c 9-11)
expect_json 'a stop string ends the text before it' \
	"d['stop'] == 'stop' and '$stop' not in d['text'] and
	 '''$(printf '%s' "$text" | tr '\n' '#')'''.startswith(d['text'].replace('\\n', '#')) and
	 len(d['text']) <= 8" \
	run "$MODEL" -p "$prompt" -n 32 --temp 0 --json --stop nonsense --stop "$stop"
expect_json 'a stop string that does not come changes nothing' \
	"d['stop'] == 'limit' and len(d['text']) > 20" \
	run "$MODEL" -p "$prompt" -n 32 --temp 0 --json --stop "${stop}nonsense"
expect_json 'a full context' 'd["stop"] == "context" and d["tokens"] > 1' \
	run "$MODEL" -p "$prompt" -n 100 --ctx 24 --ignore-eos --json
one_line 'the context of 24 tokens is full'
report $? 'a full context: a note says so'
failure 'a prompt that does not fit' 'the prompt needs [0-9]+ tokens, .* room for 3 of 3' \
	run "$MODEL" -p "$prompt" --ctx 3
expect_json 'no prompt but a beginning of text' 'd["prompt"] == "" and d["tokens"] == 4' \
	run "$MODEL" -p '' -n 4 --json --ignore-eos
expect_json 'a prompt that is not UTF-8' 'd["tokens"] == 4' \
	run "$MODEL" -p "$(printf 'a\377\200b')" -n 4 --json --ignore-eos
expect 0 '--temp 100, whose text is not UTF-8' run "$MODEL" -p a -n 100 --temp 100 --top-k 0 --top-p 0 \
	--min-p 0 --ignore-eos
iconv -f UTF-8 -t UTF-8 "$tmp/out" >/dev/null 2>>"$tmp/err"
report $? 'comes out as UTF-8'
run run "$MODEL" -p "$prompt" -n 8 --stats --seed 5
grep -qE '^decode +7 tokens in .* tokens/s$' "$tmp/err" && grep -qE '^seed +5$' "$tmp/err" &&
	grep -qE '^weights +.* GB/s' "$tmp/err" && grep -qE '^memory +' "$tmp/err" &&
	grep -qE '^device +.* submissions' "$tmp/err"
report $? '--stats'
run run "$MODEL" -p "$prompt" -n 8 --stats --seed 5 --device cpu --threads 3
grep -qE '^engine +.*, 3 threads on processors [0-9]' "$tmp/err"
report $? '--threads is shown'
cp "$tmp/out" "$tmp/three"
processor=$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')
taskset -c "$processor" "$BITNPU" run "$MODEL" -p "$prompt" -n 8 --seed 5 --device cpu --stats \
	>"$tmp/out" 2>"$tmp/err"
cmp -s "$tmp/out" "$tmp/three" && grep -qE '^engine +.*, 1 thread on processors [0-9]+$' "$tmp/err"
report $? 'a thread for each processor that may be used'
for threads in 1 2 64; do
	run run "$MODEL" -p "$prompt" -n 8 --seed 5 --device cpu --threads $threads
	cmp -s "$tmp/out" "$tmp/three"
	report $? "--threads $threads writes the same text"
done
for device in golden cpu; do
	for step in host device auto; do
		run run "$MODEL" -p "$prompt" -n 8 --seed 5 --device $device --step $step --stats
		where=$step
		[ "$step" = auto ] && where=host
		cmp -s "$tmp/out" "$tmp/three" && grep -qE "^step +on the $where$" "$tmp/err"
		report $? "--step $step on $device writes the same text"
		[ "$where" = host ] || grep -qE '^device .* 8 submissions$' "$tmp/err"
		report $? "--step $step on $device: a submission a step, or more"
	done
done
expect_json '--step in --json' 'd["stats"]["step"] == "device" and d["stats"]["submissions"] == 8' \
	run "$MODEL" -p "$prompt" -n 8 --device cpu --step device --json
for level in scalar $(grep -qw avx2 /proc/cpuinfo && echo avx2); do
	BITNPU_CPU_LEVEL=$level run run "$MODEL" -p "$prompt" -n 8 --seed 5 --device cpu --stats
	cmp -s "$tmp/out" "$tmp/three" && grep -qE "^engine +$level, " "$tmp/err"
	report $? "BITNPU_CPU_LEVEL=$level writes the same text"
done
BITNPU_CPU_LEVEL=mmx failure 'an unknown level' 'BITNPU_CPU_LEVEL=mmx: no such level' \
	run "$MODEL" -p a --device cpu

# What fails.
failure 'an unknown engine' 'nosuch' run "$MODEL" -p a --device nosuch:7
failure 'an unknown device' 'golden:7' run "$MODEL" -p a --device golden:7
failure 'a malformed device' 'golden:x' run "$MODEL" -p a --device golden:x
failure 'an empty device' 'device' run "$MODEL" -p a --device ''
failure 'no such model' 'none.gguf: No such file' run "$tmp/none.gguf" -p a
failure 'a directory' 'not a regular file' run "$tmp" -p a
failure 'no such prompt file' 'none.txt: No such file' run "$MODEL" -f "$tmp/none.txt"
failure 'a directory as prompt' 'Is a directory' run "$MODEL" -f "$tmp"
failure 'an endless prompt' '/dev/zero: over 64 MiB' run "$MODEL" -f /dev/zero
for how in truncate=1000 truncate=-1 tensors metadata version architecture dimension zero-dimension \
	   offset type rename; do
	damage $how "$tmp/bad.gguf"
	failure "a bad model: $how" "$tmp/bad.gguf: " run "$tmp/bad.gguf" -p a -n 2
done

# Standard output that takes nothing.
"$BITNPU" run "$MODEL" -p a -n 8 >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line '^bitnpu run: standard output: No space left'
report $? 'a full standard output'
"$BITNPU" run "$MODEL" -p a -n 8 >&- 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line '^bitnpu run: standard output: '
report $? 'a closed standard output'
"$BITNPU" run "$MODEL" -p a -n 8 --json >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line '^bitnpu run: standard output: '
report $? 'a full standard output with --json'

finish
