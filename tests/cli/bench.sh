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
for bad in repeat=0 repeat=x copies=0 copies=513 prefill=1 decode=0 roof-buffer=1 roof-buffer=4X \
	   roof-buffer=99999999999G roof-buffer=M prefill= "prefill=8," prefill=,8 prefill=8,,9 \
	   prefill=8,x prefill='8, 9' prefill=8,1048577 depth=1048577 depth=-1 depth=1,2.5 \
	   depth=99999999999999999999 batch=0 batch=65537 parallel=0 parallel=1025 threads=0 tune=0 \
	   threads=1025; do
	usage_error "--$bad" "--${bad%%=*}: '${bad#*=}' is not " bench "--$bad"
done
for bad in shape=1x1x1 format=int8 copies=1; do
	usage_error "--$bad with a model" 'do not go with a model' bench "$MODEL" "--$bad"
done
usage_error 'two models' 'extra argument' bench a b

fast='--repeat 3 --roof-buffer 8M --device golden'
# shellcheck disable=SC2086
expect_json 'matmuls' \
	'len(d["rows"]) == 6 and d["roof"]["buffer_bytes"] == 8 << 20 and d["roof"]["threads"] >= 1 and
	 d["model"] is None and
	 all(r["gbps"] > 0 and r["roof_gbps"] > 0 and r["gops"] > 0 and r["tokens_per_s"] is None and
	     abs(r["share_of_roof"] - r["gbps"] / r["roof_gbps"]) < 1e-6 and r["samples"] == 3 and
	     0 < r["seconds_min"] <= r["seconds"] <= r["seconds_max"] and r["device"] == "golden" and
	     r["tokens"] is r["depth"] is r["parallel"] is None
	     for r in d["rows"]) and
	 [(r["kind"], r["m"], r["n"], r["k"]) for r in d["rows"][::3]] ==
	 [("gemv", 1, 64, 128), ("gemm", 3, 33, 100)] and
	 [r["format"] for r in d["rows"][:3]] == ["ternary", "binary-g128", "int8-g32"]' \
	bench --json - $fast --shape 1x64x128 --shape 3x33x100 --format ternary --format binary-g128 \
	--format int8-g32
# golden is scalar C: it cannot reach what the best instruction does
json 'd["roof"]["instruction"] is None or
      all(0 < r["share_of_peak"] < 0.5 and r["share_of_peak"] < 2 * r["gops"] / r["roof_gops"]
	  for r in d["rows"])'
report $? 'shares of the peak'
# shellcheck disable=SC2086
expect_json 'what a row computes from' \
	'[(r["copies"], round(r["gbps"] * r["seconds"] * 1e9), round(r["gops"] * r["seconds"] * 1e9))
	  for r in d["rows"]] == [(2, 2 * (64 * 256 // 4), 2 * 2 * 64 * 256)]' \
	bench --json - $fast --shape 1x64x256 --format ternary --copies 2
# shellcheck disable=SC2086
expect 0 'as a table' bench $fast --shape 1x64x128 --format int8
grep -qE '^golden +gemv +int8 +1 x 64 x 128 ' "$tmp/out" && grep -q '^Medians of 3 samples' "$tmp/out"
report $? 'has the row and says what it means'
# shellcheck disable=SC2086
expect_json 'threads' 'd["roof"]["threads"] == 1' \
	bench --json - $fast --threads 1 --shape 1x64x128 --format ternary

# shellcheck disable=SC2086
expect_json 'a model' \
	'[(r["kind"], r["tokens"], r["depth"], r["parallel"]) for r in d["rows"]] ==
	 [("prefill", 9, 0, 1), ("prefill", 3, 0, 1), ("decode", 4, 0, 2), ("decode", 4, 5, 2)] and
	 all(abs(r["tokens_per_s"] * r["seconds"] / r["tokens"] / r["parallel"] - 1) < 1e-6 and
	     r["share_of_roof"] > 0 and r["m"] is r["n"] is r["format"] is None for r in d["rows"]) and
	 d["model"]["parameters"] > 1000' \
	bench "$MODEL" --json - $fast --prefill 9,3 --batch 4 --depth 5,0 --decode 4 --parallel 2
# Prefill of 9 in batches of 4 reads the blocks three times and the head once; of 3, each once.  A step
# of decoding two sequences reads both once, and the keys and values so far, which rows 2 and 3 differ by.
json '(lambda reads, ops: reads[0] - reads[1] > 0 and ops[0] > ops[1] and
	abs((reads[0] - reads[1]) / 2 * 4 + (reads[1] - (reads[0] - reads[1]) / 2) * 4 +
	    2 * (1 + 2 + 3 + 4) * (reads[3] - reads[2]) / (2 * 4 * 5) - reads[2]) < 1e-6 * reads[2])(
      [r["gbps"] * r["seconds"] for r in d["rows"]], [r["gops"] * r["seconds"] for r in d["rows"]])'
report $? 'bytes that a row must read'
# shellcheck disable=SC2086
expect 0 'a model as a table, JSON to a file' \
	bench "$MODEL" $fast --prefill 4 --depth 0 --decode 2 --step device --json "$tmp/results.json"
grep -qE '^golden +device +decode +2 +0 +1 +[0-9.]+ ' "$tmp/out" && cp "$tmp/results.json" "$tmp/out" &&
	json '[r["step"] for r in d["rows"]] == ["device", "device"]'
report $? 'has the row, and the file is there'

if has_device opencl; then
	# shellcheck disable=SC2086
	expect_json 'golden is left out where there are others' \
		'[r["device"] for r in d["rows"]] and
		 not any(r["device"] == "golden" for r in d["rows"])' \
		bench --json - --repeat 3 --roof-buffer 8M --shape 1x64x128 --format ternary
	mkdir "$tmp/cache"
	BITNPU_CACHE_DIR=$tmp/cache "$BITNPU" bench --device opencl:0 --tune 100 --repeat 1 --roof-buffer 8M \
		--shape 1x64x128 --format ternary >"$tmp/out" 2>"$tmp/err" &&
		BITNPU_CACHE_DIR=$tmp/cache "$BITNPU" devices | grep '^opencl:0.*tuned: ternary 1x64x128 '
	report $? 'what the tuner found is shown'
else
	skip 'golden is left out where there are others' 'no OpenCL device'
	skip 'what the tuner found is shown' 'no OpenCL device'
fi

failure 'an unknown device' 'nosuch' bench --device nosuch
failure 'no such model' 'none.gguf: No such file' bench "$tmp/none.gguf"
failure 'more tokens than any context' 'at most 1048576 positions' bench "$MODEL" --depth 1048576
failure 'a buffer that no memory holds' '--roof-buffer: .* over half of the memory' bench --roof-buffer 1024G
# shellcheck disable=SC2086
failure 'JSON to a directory that is not there' "$tmp/none/x.json: " \
	bench $fast --json "$tmp/none/x.json"
# shellcheck disable=SC2086
failure 'JSON to a directory' "$tmp: " bench $fast --json "$tmp"
# shellcheck disable=SC2086
"$BITNPU" bench $fast --shape 1x64x128 --format int8 >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line 'standard output: '
report $? 'a full standard output'

finish
