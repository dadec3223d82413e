#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu verify.
. tests/cli/lib.sh

usage_error 'no model' 'missing argument' verify
usage_error '--prefill 0' "--prefill: '0'" verify m --prefill 0
usage_error '--decode x' "--decode: 'x'" verify m --decode x
usage_error '--step x' "--step: 'x' is not auto, host or device" verify m --step x

# 64-bit hashes of every layer, all equal.
same='d["identical"] is True and d["hash_algorithm"] == "XXH64" and d["devices"] and
      all(v["identical"] and v["first_difference"] is None and
	  len([l for l in v["layers"] if l["layer"] is not None]) >= 2 and
	  any(l["result"] == "logits" for l in v["layers"]) and
	  all(l["identical"] and l["hash"] == l["golden"] and len(l["hash"]) == 16 and l["values"] > 0
	      for l in v["layers"]) for v in d["devices"])'

expect_json 'golden against itself' "$same and d['checksums'] == 'none' and d['decode_tokens'] == 4" \
	verify "$MODEL" --device golden --json
cp "$tmp/out" "$tmp/golden"
run verify "$MODEL" --device golden --json
cmp "$tmp/out" "$tmp/golden" >>"$tmp/err"
report $? 'the hashes are the same every time'
golden="json.load(open('$tmp/golden'))['devices'][0]"
for device in golden cpu; do
	expect_json "the same hashes with whole steps on $device" \
		"$same and d['devices'][0]['layers'] == ${golden}['layers']" \
		verify "$MODEL" --device $device --step device --json
done
expect_json 'another prompt has other hashes' \
	"$same and d['devices'][0]['layers'][0]['hash'] not in open('$tmp/golden').read()" \
	verify "$MODEL" --device golden --json -p 'And the earth was without form'
expect_json 'limits' "$same and d['prefill_tokens'] == 5 and d['decode_tokens'] == 0" \
	verify "$MODEL" --device golden --json --prefill 5 --decode 0
expect_json 'a prompt of one token' "$same and d['prefill_tokens'] == 1" \
	verify "$MODEL" --device golden --json --prefill 1 --decode 1
expect_json 'two devices' "$same and len(d['devices']) == 2" \
	verify "$MODEL" --device golden --device golden --json --prefill 4

if has_device opencl; then
	expect_json 'every device' "$same" verify "$MODEL" --json
	expect 0 'as a table' verify "$MODEL" --device opencl:0
	grep -qE '^opencl:0 +layer 0 +[0-9]+ +([0-9a-f]{16}) +\1 +yes$' "$tmp/out" &&
		grep -q '^opencl:0: identical to golden: ' "$tmp/out"
	report $? 'says that it is identical'
else
	skip 'every device' 'no OpenCL device'
fi
without_opencl expect_json 'without OpenCL there is cpu' \
	'd["identical"] and [x["device"] for x in d["devices"] if x["device"][:5] != "accel"] == ["cpu"]' \
	verify "$MODEL" --json

"$BITNPU" pack "$MODEL" "$tmp/packed.gguf" >/dev/null
expect_json 'a packed model: its checksums, and the same hashes' \
	"$same and d['checksums'] == 'match' and
	 d['devices'] == json.load(open('$tmp/golden'))['devices']" \
	verify "$tmp/packed.gguf" --device golden --json
damage flip=100000 "$tmp/flipped.gguf" "$tmp/packed.gguf"
fails 3 'a packed model with a flipped bit' 'checksum' verify "$tmp/flipped.gguf" --device golden

failure 'an unknown device' 'nosuch' verify "$MODEL" --device nosuch
failure 'no such model' 'none.gguf: No such file' verify "$tmp/none.gguf"
failure 'more tokens than the context' '--decode: 60000 tokens' verify "$MODEL" --device golden \
	--decode 60000
for how in truncate=1000 architecture rename; do
	damage $how "$tmp/bad.gguf"
	failure "a bad model: $how" "$tmp/bad.gguf: " verify "$tmp/bad.gguf" --device golden
done
"$BITNPU" verify "$MODEL" --device golden --prefill 2 --decode 0 >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line 'standard output: '
report $? 'a full standard output'

finish
