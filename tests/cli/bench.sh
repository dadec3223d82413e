#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu bench: what it reports, not how fast it is.
. tests/cli/lib.sh

for bad in 1x2 1x2x3x4 x 0x1x1 1x1x65537 65537x1x1 1x16777217x1 1x1xa -1x1x1 ''; do
	usage_error "--shape '$bad'" '--shape: ' bench --shape "$bad"
done
for bad in quaternary ternary- ternary-g ternary-g31 ternary-g48 ternary-g131072 -g32 ''; do
	usage_error "--format '$bad'" '--format: ' bench --format "$bad"
done
for bad in repeat=0 repeat=x depth=0 depth=513 prefill=1 decode=0 roof-buffer=1 roof-buffer=4X \
	   roof-buffer=99999999999G roof-buffer=M; do
	usage_error "--$bad" "--${bad%%=*}: '${bad#*=}'" bench "--$bad"
done
usage_error 'a shape with a model' 'do not go with a model' bench "$MODEL" --shape 1x1x1
usage_error 'two models' 'extra argument' bench a b

fast='--repeat 3 --roof-buffer 8M'
# shellcheck disable=SC2086
expect_json 'matmuls' \
	'len(d["rows"]) == 6 and d["roof"]["buffer_bytes"] == 8 << 20 and d["roof"]["threads"] >= 1 and
	 d["model"] is None and
	 all(r["gbps"] > 0 and r["roof_gbps"] > 0 and r["gops"] > 0 and r["tokens_per_s"] is None and
	     abs(r["share_of_roof"] - r["gbps"] / r["roof_gbps"]) < 1e-6 and r["samples"] == 3 and
	     0 < r["seconds_min"] <= r["seconds"] <= r["seconds_max"] and r["device"] == "golden"
	     for r in d["rows"]) and
	 [(r["kind"], r["m"], r["n"], r["k"]) for r in d["rows"][::3]] ==
	 [("gemv", 1, 64, 128), ("gemm", 3, 33, 100)] and
	 [r["format"] for r in d["rows"][:3]] == ["ternary", "binary-g128", "int8-g32"]' \
	bench --json $fast --device golden --shape 1x64x128 --shape 3x33x100 --format ternary \
	--format binary-g128 --format int8-g32
# shellcheck disable=SC2086
expect_json 'what a row computes from' \
	'[(r["depth"], round(r["gbps"] * r["seconds"] * 1e9), round(r["gops"] * r["seconds"] * 1e9))
	  for r in d["rows"]] == [(2, 2 * (64 * 256 // 4), 2 * 2 * 64 * 256)]' \
	bench --json $fast --device golden --shape 1x64x256 --format ternary --depth 2
# shellcheck disable=SC2086
expect 0 'as a table' bench $fast --device golden --shape 1x64x128 --format int8
grep -qE '^golden +gemv +int8 +1 x 64 x 128 ' "$tmp/out" && grep -q '^Medians of 3 samples' "$tmp/out"
report $? 'has the row and says what it means'
# shellcheck disable=SC2086
expect_json 'a model' \
	'[(r["kind"], r["m"], r["depth"]) for r in d["rows"]] == [("prefill", 8, 1), ("decode", 1, 4)] and
	 all(r["tokens_per_s"] > 0 and r["gops"] is None and r["n"] is None for r in d["rows"]) and
	 d["rows"][0]["gbps"] is None and d["rows"][1]["share_of_roof"] > 0' \
	bench "$MODEL" --json $fast --device golden --prefill 8 --decode 4
if has_device opencl; then
	# shellcheck disable=SC2086
	expect_json 'golden is left out where there are others' \
		'[r["device"] for r in d["rows"]] and
		 not any(r["device"] == "golden" for r in d["rows"])' \
		bench --json $fast --shape 1x64x128 --format ternary
else
	skip 'golden is left out where there are others' 'no OpenCL device'
fi
# shellcheck disable=SC2086
without_opencl expect_json 'golden alone' \
	'[r["device"] for r in d["rows"]] == ["golden"]' \
	bench --json $fast --shape 1x64x128 --format ternary

failure 'an unknown device' 'nosuch' bench --device nosuch
failure 'no such model' 'none.gguf: No such file' bench "$tmp/none.gguf"
failure 'more tokens than the context' '--decode: 60000 tokens' bench "$MODEL" --decode 60000
failure 'a buffer that no memory holds' '--roof-buffer: .* over half of the memory' bench --roof-buffer 1024G
# shellcheck disable=SC2086
"$BITNPU" bench $fast --device golden --shape 1x64x128 --format int8 >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line 'standard output: '
report $? 'a full standard output'

finish
