#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is built into a staging directory and uses what lies there; speaks TAP.
#
# usage: tests/install/test_install.sh BUILD      environment: MAKE, CC, CXX
set -u
build=$1
make=${MAKE:-make}
work=$(pwd)/$build/check/install
stage=$work/stage
prefix=/opt/bitnpu
root=$stage$prefix
count=0
failed=0

report() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		sed 's/^/# /' "$work/log"
		echo "not ok $count - $2"
		failed=1
	fi
}

# Names of the functions that the public header declares for export.
declared() {
	awk '/^BITNPU_API/ { text = "" }
	     { text = text " " $0 }
	     text ~ /^ BITNPU_API[^;]*\(/ {
			sub(/\(.*/, "", text)
			count = split(text, word, /[ *]+/)
			print word[count]
			text = "-"
	     }' libbitnpu/bitnpu.h | sort
}

# Compiles the client with a compiler command and runs it.
client() {
	# shellcheck disable=SC2086,SC2046 # words
	$1 -Wall -Wextra -Wpedantic -Werror $2 -o "$work/client" $(pkg-config --cflags libbitnpu) \
		tests/install/client.c $3 >"$work/log" 2>&1 &&
		LD_LIBRARY_PATH=$root/lib "$work/client" >>"$work/log" 2>&1
}

rm -rf "$work"
mkdir -p "$work"
PKG_CONFIG_PATH=$root/lib/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$stage
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

MAKEFLAGS='' "$make" BUILD="$build" DESTDIR="$stage" PREFIX="$prefix" install-files \
	>"$work/log" 2>&1
report $? "make install-files"

files=$(cd "$root" && find . -type f -o -type l | sort | tr '\n' ' ')
status=0
for file in ./bin/bitnpu ./include/bitnpu.h ./include/drm/bitnpu_isa.h \
	./include/drm/bitnpu_accel.h ./lib/libbitnpu.a \
	./lib/libbitnpu.so ./lib/libbitnpu.so.0 ./lib/pkgconfig/libbitnpu.pc \
	./share/man/man1/bitnpu.1 ./share/bash-completion/completions/bitnpu; do
	case " $files " in
	*" $file "*) ;;
	*)
		echo "$file is missing from: $files" >"$work/log"
		status=1
		;;
	esac
done
report $status "libraries, headers, command, manual page and completion are there"

readelf -d "$root/lib/libbitnpu.so" >"$work/log" 2>&1 &&
	grep -q 'SONAME.*\[libbitnpu\.so\.0\]' "$work/log"
report $? "the soname is libbitnpu.so.0"

declared >"$work/declared"
nm -D --defined-only "$root/lib/libbitnpu.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort >"$work/exported"
[ "$(wc -l <"$work/declared")" -gt 30 ] && diff "$work/declared" "$work/exported" >"$work/log"
report $? "it exports exactly what bitnpu.h declares"

! readelf -d "$root/lib/libbitnpu.so" | grep -E 'R(UN)?PATH|TEXTREL' >"$work/log"
report $? "it has no run path and no text relocations"

! nm -g --defined-only "$root/lib/libbitnpu.a" 2>/dev/null |
	awk 'NF == 3 && $3 !~ /^_?bitnpu_/ { print $3; bad = 1 } END { exit !bad }' >"$work/log"
report $? "every global name of the static library begins with bitnpu_"

client "${CC:-cc}" "-std=c11" "$(pkg-config --libs libbitnpu)"
report $? "a C program uses the shared library"
client "${CXX:-c++}" "-x c++ -std=c++11" "-x none $(pkg-config --libs libbitnpu)"
report $? "a C++ program uses the shared library"

readelf -d "$work/client" | grep NEEDED >"$work/log"
grep -q 'libbitnpu\.so\.0' "$work/log" && ! grep -q 'OpenCL\|pcre2' "$work/log"
report $? "a program needs libbitnpu.so.0 and not the libraries behind it"

bash -c '. "$1/share/bash-completion/completions/bitnpu"
	COMP_WORDS=("$1/bin/bitnpu" run --te) COMP_CWORD=2
	_bitnpu "$1/bin/bitnpu" --te run
	[ "${COMPREPLY[*]}" = --temp ]' - "$root" >"$work/log" 2>&1
report $? "bash completes an option"

rm -f "$root"/lib/libbitnpu.so*
client "${CC:-cc}" "-std=c11" "$(pkg-config --static --libs libbitnpu)"
report $? "a C program uses the static library"
client "${CXX:-c++}" "-x c++ -std=c++11" "-x none $(pkg-config --static --libs libbitnpu)"
report $? "a C++ program uses the static library"

MAKEFLAGS='' "$make" DESTDIR="$stage" PREFIX="$prefix" uninstall >"$work/log" 2>&1
find "$stage" ! -type d >>"$work/left"
cat "$work/left" >>"$work/log"
[ ! -s "$work/left" ]
report $? "make uninstall leaves nothing behind"

echo "1..$count"
exit $failed
