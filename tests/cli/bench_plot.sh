#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu bench --plot: that pictures show every row, and that no label covers another.
. tests/cli/lib.sh

# legible NAME ARGUMENT... - it must draw a picture that plot.py finds nothing wrong with
legible() {
	name=$1
	shift
	run bench --repeat 2 --roof-buffer 8M --plot "$tmp/plot.svg" --json "$tmp/plot.json" "$@"
	[ "$rc" -eq 0 ] && "$PYTHON" tests/cli/plot.py "$tmp/plot.svg" "$tmp/plot.json" 2>"$tmp/err"
	report $? "$name"
}

legible 'one point' --device golden --shape 1x64x64 --format ternary
legible 'a model' "$MODEL" --device golden --prefill 2,8 --depth 0,4,8 --decode 2
legible 'several sequences' "$MODEL" --device golden --prefill 4 --depth 2 --decode 2 --parallel 2
# Points that crowd: the same twelve rows thrice.
legible 'many points' --device golden --device cpu --device golden --copies 1 --shape 1x64x64 \
	--shape 1x64x128 --shape 1x128x64 --shape 2x64x64 --shape 1x64x64 --shape 1x64x64 \
	--format ternary --format int8
cp "$MODEL" "$tmp/a&b<c>.gguf"
legible 'a name with characters that XML gives a meaning' "$tmp/a&b<c>.gguf" --device golden --prefill 2 \
	--depth 0 --decode 1
grep -q '>a&amp;b&lt;c&gt;.gguf<' "$tmp/plot.svg"
report $? 'is written as it is'
cp "$MODEL" "$tmp/$(printf 'a\033[31m\377.gguf')"
legible 'and with those that no text has' "$tmp/$(printf 'a\033[31m\377.gguf')" --device golden \
	--prefill 2 --depth 0 --decode 1

"$BITNPU" bench --repeat 2 --roof-buffer 8M --device golden --shape 1x64x64 --format ternary \
	--plot "$tmp/plot.png" >"$tmp/out" 2>"$tmp/err"
rc=$?
if [ "$rc" -eq 2 ] && one_line "--plot: $tmp/plot.png: built without cairo"; then
	skip 'PNG' 'built without cairo'
else
	[ "$rc" -eq 0 ] && "$PYTHON" -c 'import struct, sys
data = open(sys.argv[1], "rb").read()
width, height = struct.unpack(">II", data[16:24])
sys.exit(0 if data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND" and
	 (width, height) == (2000, 1280) and len(data) > 20000 else 1)' "$tmp/plot.png"
	report $? 'PNG'
fi

usage_error 'another kind of picture' '--plot: x.jpg: ends neither in .svg nor in .png' bench --plot x.jpg
usage_error 'a name that is only an ending' '--plot: .svg: ends neither' bench --plot .svg
usage_error 'no name' '--plot: : ends neither' bench --plot ''
failure 'a picture to a directory that is not there' "$tmp/none/x.svg: " bench "$MODEL" \
	--plot "$tmp/none/x.svg"
failure 'a picture in place of a directory' "$tmp/d.svg: " bench "$(mkdir "$tmp/d.svg" && echo "$MODEL")" \
	--plot "$tmp/d.svg"
expect 1 'no picture without results' bench --device nosuch --plot "$tmp/none.svg"
[ ! -e "$tmp/none.svg" ]
report $? 'is left'

finish
