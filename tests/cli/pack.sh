#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu pack: the file is there whole and right, or not at all.
. tests/cli/lib.sh

usage_error 'no files' 'missing argument' pack
usage_error 'no output' 'missing argument' pack a
usage_error 'three files' "extra argument 'c'" pack a b c

out=$tmp/dir/out.gguf
mkdir "$tmp/dir"

# only FILE... - whether nothing else is in the output's directory
only() {
	[ "$(find "$tmp/dir" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" = "$*${1:+ }" ]
}

# leaves_nothing NAME PATTERN INPUT - packing must fail and leave no file
leaves_nothing() {
	failure "$1" "$2" pack "$3" "$out"
	only
	report $? "$1: nothing is left"
}

expect_json 'packing as JSON' \
	'd["verified"] and d["output"]["tensors"] >= d["input"]["tensors"] and
	 d["input"]["parameters"] == d["output"]["parameters"] and
	 1 < d["output"]["bits_per_weight"] < 9' pack --json "$MODEL" "$out"
only out.gguf
report $? 'writes one file'
[ "$(stat -c %s "$out")" -gt 100000 ] &&
	"$BITNPU" inspect --json "$out" >"$tmp/out" && json "d['packed']"
report $? 'that is a packed model'

cp "$out" "$tmp/first.gguf"
failure 'an output that exists' 'exists \(--force' pack "$MODEL" "$out"
cmp -s "$out" "$tmp/first.gguf"
report $? 'is left alone'
printf 'old' >"$out"
expect 0 '--force' pack --force "$MODEL" "$out"
cmp -s "$out" "$tmp/first.gguf"
report $? 'overwrites it, with the same bytes as before'
grep -q '^wrote .* bits per weight$' "$tmp/out" && grep -q 'every checksum matches' "$tmp/out"
report $? 'and says what it did'
cp "$MODEL" "$tmp/dir/in.gguf"
ln -s in.gguf "$tmp/dir/link.gguf"
failure 'the output is the input' 'the output is the input' pack -f "$tmp/dir/in.gguf" \
	"$tmp/dir/in.gguf"
failure 'the output is the input by another name' 'the output is the input' pack -f \
	"$tmp/dir/in.gguf" "$tmp/dir/link.gguf"
cmp -s "$MODEL" "$tmp/dir/in.gguf"
report $? 'the input is whole'
rm "$tmp"/dir/*

failure 'an output that is a directory' 'not a regular file' pack --force "$MODEL" "$tmp/dir"
failure 'an output that is a device' 'not a regular file' pack --force "$MODEL" /dev/null
failure 'an output in no directory' 'none/out.gguf' pack "$MODEL" "$tmp/none/out.gguf"
failure 'an output below a file' 'out.gguf' pack "$MODEL" "$MODEL/out.gguf"
if [ "$(id -u)" -ne 0 ]; then
	chmod a-w "$tmp/dir"
	leaves_nothing 'an output in a directory that cannot be written' 'ermission' "$MODEL"
	chmod u+w "$tmp/dir"
else
	skip 'an output in a directory that cannot be written' 'root can write anywhere'
fi

leaves_nothing 'no such input' 'none.gguf: No such file' "$tmp/none.gguf"
leaves_nothing 'an input that is a directory' 'not a regular file' "$tmp"
for how in truncate=1000 truncate=-1 tensors metadata version dimension zero-dimension offset type; do
	damage $how "$tmp/bad.gguf"
	leaves_nothing "a bad input: $how" "^bitnpu pack: $tmp/bad.gguf: " "$tmp/bad.gguf"
done

# A file that may not grow past 64 KiB, then a full file system.
(
	ulimit -f 128
	"$BITNPU" pack "$MODEL" "$out" >"$tmp/dir.out" 2>"$tmp/dir.err"
	echo $? >"$tmp/rc"
)
rc=$(cat "$tmp/rc")
mv "$tmp/dir.out" "$tmp/out"
mv "$tmp/dir.err" "$tmp/err"
[ "$rc" -eq 1 ] && one_line 'out.gguf: .*(File too large|limit)' && only
report $? 'a limit on the size of files: one line, nothing is left'

mkdir "$tmp/small"
if mount -t tmpfs -o size=128k none "$tmp/small" 2>/dev/null; then
	failure 'a full disk' 'out.gguf: .*No space left' pack "$MODEL" "$tmp/small/out.gguf"
	[ -z "$(ls -A "$tmp/small")" ]
	report $? 'a full disk: nothing is left'
	umount "$tmp/small"
else
	skip 'a full disk' 'no file system can be mounted here'
fi

"$BITNPU" pack "$MODEL" "$out" >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line 'standard output: '
report $? 'a full standard output'

finish
