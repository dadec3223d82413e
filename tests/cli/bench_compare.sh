#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu bench --compare: earlier results, and files that are none.
. tests/cli/lib.sh

old=$tmp/old.json

# edit STATEMENTS - change the old results, d
edit() {
	"$PYTHON" -c 'import json, sys
d = json.load(open(sys.argv[1]))
exec(sys.argv[2])
json.dump(d, open(sys.argv[1], "w"))' "$old" "$1"
}

# compared NAME EXPRESSION ARGUMENT... - results against the old ones
compared() {
	name=$1
	expression=$2
	shift 2
	expect_json "$name" "$expression" \
		bench --repeat 3 --roof-buffer 8M --device golden --json - --compare "$old" "$@"
}

model='--prefill 4 --depth 2 --decode 2'
# shellcheck disable=SC2086
expect 0 'results to compare with' bench "$MODEL" --repeat 3 --roof-buffer 8M --device golden $model \
	--json "$old"
cp "$old" "$tmp/good.json"

# Times so far apart that no neighbour on the machine brings them together.
edit 'for r in d["rows"]:
    for name in ("seconds", "seconds_min", "seconds_max"): r[name] *= 1000'
# shellcheck disable=SC2086
compared 'faster' \
	'len(d["rows"]) == 2 and
	 all(r["ratio"] > 100 and r["outside_spread"] is True and r["roof_ratio"] > 0 for r in d["rows"])' \
	"$MODEL" $model
edit 'for r in d["rows"]:
    for name in ("seconds", "seconds_min", "seconds_max"): r[name] /= 1e6
    r["roof_gbps"] = None'
# shellcheck disable=SC2086
compared 'slower, and no roof then' \
	'all(r["ratio"] < 0.01 and r["outside_spread"] is True and r["roof_ratio"] is None
	     for r in d["rows"])' \
	"$MODEL" $model
edit 'for r in d["rows"]: r["seconds_max"] *= 1e9'
# shellcheck disable=SC2086
compared 'within the spread' 'all(r["outside_spread"] is False for r in d["rows"])' "$MODEL" $model
compared 'what was not measured then' \
	'[(r["kind"], r["ratio"] is None, r["outside_spread"] is None) for r in d["rows"]] ==
	 [("prefill", True, True), ("decode", False, False), ("decode", True, True)]' \
	"$MODEL" --prefill 5 --depth 2,3 --decode 1
compared 'with other sequences at once' \
	'[r["ratio"] is None for r in d["rows"]] == [False, True]' \
	"$MODEL" --prefill 4 --depth 2 --parallel 2 --decode 2
compared 'of another kind' '[r["ratio"] for r in d["rows"]] == [None]' --shape 1x16x16 --format int8

# A sample of twice as much work in twice the time is no change.
edit 'r = d["rows"][1]
r["tokens"] = 200
for name in ("seconds", "seconds_min", "seconds_max"): r[name] = 1.0'
compared 'speeds, not times' \
	'abs(d["rows"][1]["ratio"] - d["rows"][1]["tokens_per_s"] / 200) < 1e-6 * d["rows"][1]["ratio"]' \
	"$MODEL" --prefill 4 --depth 2 --decode 2

cp "$tmp/good.json" "$old"
edit 'd["model"]["parameters"] = 12345
for name in ("seconds", "seconds_min", "seconds_max"): d["rows"][0][name] *= 1000'
# shellcheck disable=SC2086
expect 0 'as a table' bench "$MODEL" --repeat 3 --roof-buffer 8M --device golden $model --compare "$old"
grep -qE '^golden +prefill +4 tokens .* FASTER$' "$tmp/out" &&
	grep -qE '^golden +decode +depth 2 +[0-9.]+ +[0-9.]+ +[0-9.]+ ' "$tmp/out" &&
	grep -q '^OLD measured another model: 12345 parameters, not ' "$tmp/out"
report $? 'has the rows, and says that the model is another'

expect 0 'matmuls to compare with' bench --repeat 3 --roof-buffer 8M --device golden --shape 1x16x16 \
	--format int8 --format ternary --copies 2 --json "$old"
edit 'r = d["rows"][0]
r["copies"] = 500
for name in ("seconds", "seconds_min", "seconds_max"): r[name] = 1.0'
compared 'matmuls, however many at once' \
	'[r["ratio"] > 0 for r in d["rows"]] == [True, True] and
	 abs(d["rows"][0]["ratio"] * d["rows"][0]["seconds"] * 500 / 3 - 1) < 1e-6' \
	--shape 1x16x16 --format int8 --format ternary --copies 3

# refused NAME PATTERN - --compare refuses the file before anything is measured
refused() {
	failure "$1" "^bitnpu bench: $old$2" bench "$tmp/none.gguf" --compare "$old"
}

for bad in 'device=7' 'device="0123456789012345678901234567890123"' 'kind="gemv2"' 'kind=None' \
	   'tokens=0' 'tokens=-1' 'tokens=1.5' 'tokens=2**32' 'depth="0"' 'parallel=0' 'seconds=0' \
	   'seconds=-1' 'seconds=None' 'seconds="1"' 'seconds_min=1e300' 'seconds_max=1e-300' \
	   'roof_gbps=0' 'roof_gbps=[]'; do
	cp "$tmp/good.json" "$old"
	member=${bad%%=*}
	edit "d['rows'][1]['$member'] = ${bad#*=}"
	case $member in seconds_*) member=seconds ;; esac
	refused "$bad" ": rows\\[1\\]: $member: not "
done
for member in device kind tokens depth parallel seconds seconds_min seconds_max roof_gbps; do
	cp "$tmp/good.json" "$old"
	edit "del d['rows'][0]['$member']"
	refused "no $member" ": rows\\[0\\]: $member: not "
done
for member in format m n k copies; do
	cp "$tmp/good.json" "$old"
	edit "d['rows'][0]['kind'] = 'gemv'
for name in ('m', 'n', 'k', 'copies'): d['rows'][0][name] = 1
d['rows'][0]['format'] = 'int8'
d['rows'][0]['$member'] = None"
	refused "a matmul without $member" ": rows\\[0\\]: $member: not "
done

cp "$tmp/good.json" "$old"
edit 'd["rows"][1] = 5'
refused 'a row that is a number' ': rows\[1\]: not an object'
for text in '[]' '{}' '{"rows": {}}' '{"rows": null}'; do
	printf '%s' "$text" >"$old"
	refused "$text" ': no object with an array "rows"'
done
for text in '' '{' '{"rows": []' '{"rows": [], "rows": []}' 'null' '{"rows": [1e999]}' '{"rows": []} x' \
	    "$(printf '{"rows": "\377"}')" "$(printf '{"rows": "\033[31m"}')"; do
	printf '%s' "$text" >"$old"
	refused "no JSON: '$(printf '%s' "$text" | tr -cd ' -~')'" ':[0-9]+:[0-9]+: '
done
"$PYTHON" -c 'print("[" * 1000000)' >"$old"
refused 'a million brackets' ':1:[0-9]+: '
truncate -s 17M "$old"
refused 'a file over 16 MiB' ': File too large'
rm "$old"
refused 'no file' ': No such file'
mkdir "$old"
refused 'a directory' ': Is a directory'
failure 'an endless file' '/dev/zero: File too large' bench "$tmp/none.gguf" --compare /dev/zero

finish
