#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu inspect.
. tests/cli/lib.sh

usage_error 'no file' 'missing argument' inspect
usage_error 'two files' "extra argument 'b'" inspect a b

expect 0 'a model' inspect "$MODEL"
grep -qE '^blk.0.attn_q.weight +TQ2_0 +[0-9]+ x [0-9]+ +[0-9]+ +2.062$' "$tmp/out" &&
	grep -qE '^general.architecture +string +"bitnet-b1.58"$' "$tmp/out" &&
	grep -qE '^[0-9]+ tensors, [0-9]+ weights, .* bits per weight$' "$tmp/out"
report $? 'a model: metadata, tensors, totals'
expect_json 'a model as JSON' \
	'not d["packed"] and d["packed_version"] is None and d["gguf_version"] in (2, 3) and
	 sum(t["bytes"] for t in d["tensors"]) == d["tensor_bytes"] < d["file_bytes"] and
	 {m["key"]: m["value"] for m in d["metadata"]}["general.architecture"] == "bitnet-b1.58" and
	 abs(d["bits_per_weight"] - 8 * d["tensor_bytes"] / d["parameters"]) < 1e-6' \
	inspect --json "$MODEL"
expect_json 'arrays are cut' \
	'any(m.get("count", 0) > 16 for m in d["metadata"]) and
	 all(len(m["value"]) <= 16 for m in d["metadata"] if "count" in m)' inspect --json "$MODEL"
expect_json '--all shows them whole' \
	'all(len(m["value"]) == m["count"] for m in d["metadata"] if "count" in m)' \
	inspect --json --all "$MODEL"
failure '--verify of a file without checksums' 'not a packed file' inspect --verify "$MODEL"

"$BITNPU" pack "$MODEL" "$tmp/packed.gguf" >/dev/null
expect 0 '--verify of a packed file' inspect --verify "$tmp/packed.gguf"
grep -q '^every checksum matches$' "$tmp/out" && grep -q 'packed format version 1' "$tmp/out" &&
	grep -qE '^blk.0.attn_q.weight +ternary tiles +[0-9]+ x [0-9]+ +[0-9]+ +2.000$' "$tmp/out"
report $? 'a packed file: checksums, version, tiles as matrices'
expect_json 'a packed file as JSON' \
	'd["packed"] and d["packed_version"] == 1 and d["checksums_verified"]' \
	inspect --verify --json "$tmp/packed.gguf"

damage flip=100000 "$tmp/flipped.gguf" "$tmp/packed.gguf"
fails 3 'a flipped bit in a packed file' 'checksum' inspect --verify "$tmp/flipped.gguf"
expect 0 'which is found only with --verify' inspect "$tmp/flipped.gguf"

damage architecture "$tmp/bad.gguf"
expect_json 'an unknown architecture' \
	'{m["key"]: m["value"] for m in d["metadata"]}["general.architecture"] == "unheard-of-a"' \
	inspect --json "$tmp/bad.gguf"
damage type "$tmp/bad.gguf"
expect_json 'an unknown tensor type' \
	'[t["type"] for t in d["tensors"] if t["bytes"] is None] == ["type 999"]' \
	inspect --json "$tmp/bad.gguf"
expect 0 'an unknown tensor type in the table' inspect "$tmp/bad.gguf"
grep -qE '^blk.0.attn_q.weight +type 999 .* \? +-$' "$tmp/out"
report $? 'has no size'

damage control "$tmp/bad.gguf"
expect 0 'control characters in a name' inspect "$tmp/bad.gguf"
! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$tmp/out" &&
	grep -qF '"\x1b[31m\x07\x7f' "$tmp/out"
report $? 'are not printed raw'
run inspect --json "$tmp/bad.gguf"
! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177-\377]')" "$tmp/out" && json 'd'
report $? 'nor in JSON'

failure 'no such file' 'none.gguf: No such file' inspect "$tmp/none.gguf"
failure 'a directory' "$tmp: not a regular file" inspect "$tmp"
: >"$tmp/empty.gguf"
failure 'an empty file' 'empty.gguf: ' inspect "$tmp/empty.gguf"
head -c 4096 /dev/zero >"$tmp/zero.gguf"
failure 'a file of zeros' 'zero.gguf: ' inspect "$tmp/zero.gguf"
for how in truncate=3 truncate=20 truncate=1000 truncate=9000 truncate=-1 tensors metadata version \
	   dimension zero-dimension offset; do
	damage $how "$tmp/bad.gguf"
	failure "a bad file: $how" "^bitnpu inspect: $tmp/bad.gguf: " inspect "$tmp/bad.gguf"
done

for file in tests/data/gguf/*.gguf; do
	expect_json "$(basename "$file") by another writer" 'd["tensors"]' inspect --json "$file"
	expect 0 "$(basename "$file") as text" inspect "$file"
done

finish
