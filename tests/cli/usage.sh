#!/bin/sh
# SPDX-License-Identifier: MIT
# The command as a whole: what it accepts, its help, its manual pages, its standard output.
. tests/cli/lib.sh

commands='run devices inspect pack verify bench'

usage_error 'no command' 'no command given'
usage_error 'an unknown command' "unknown command 'frobnicate'" frobnicate
usage_error 'an unknown option before the command' "unknown option '--frobnicate'" --frobnicate
usage_error 'help of an unknown command' "unknown command 'frobnicate'" help frobnicate
usage_error 'help of two commands' "extra argument 'pack'" help run pack
usage_error 'control characters of a command line are not shown' 'command .\\x1b\[31m' \
	"$(printf '\033')[31m"

for command in $commands help version; do
	expect 0 "$command --help" "$command" --help
	grep -q '^Exit codes:' "$tmp/out" && grep -q "^Usage: bitnpu $command" "$tmp/out"
	report $? "$command --help has usage and exit codes"
	cp "$tmp/out" "$tmp/long"
	run "$command" -h
	cmp -s "$tmp/out" "$tmp/long"
	report $? "$command -h is the same"
	run help "$command"
	cmp -s "$tmp/out" "$tmp/long"
	report $? "help $command is the same"
	! grep -qE '.{81}| $' "$tmp/out"
	report $? "$command --help fits 80 columns"
	usage_error "$command: an unknown long option" "'--frobnicate'" "$command" --frobnicate
	usage_error "$command: an unknown letter" "'-%'" "$command" -%
	usage_error "$command: a flag with a value" "'--help' takes no" "$command" --help=yes
done

# Options in the order of help and of the page: "-f, --force" as "f force".
help_options() {
	"$BITNPU" "$1" --help | sed -n 's/^  \(-\(.\),\|   \) --\([a-z-]*\).*/\2 \3/p'
}
page_options() {
	sed -n 's/^\.It \(Fl \(.\) , \)\{0,1\}Fl Fl \([a-z-]*\).*/\2 \3/p' "docs/man/bitnpu-$1.1"
}
for command in $commands; do
	help_options "$command" >"$tmp/out"
	page_options "$command" >"$tmp/err"
	[ "$(wc -l <"$tmp/out")" -ge 2 ] && cmp -s "$tmp/out" "$tmp/err"
	report $? "the manual page of $command has the options of its help"
	"$BITNPU" help | grep -q "^  $command " && grep -q "^\.It Cm $command\$" docs/man/bitnpu.1
	report $? "bitnpu help and bitnpu(1) list $command"
done

expect 0 'help' help
cp "$tmp/out" "$tmp/long"
run --help
cmp -s "$tmp/out" "$tmp/long"
report $? '--help is the same'
expect 0 'version' version
grep -qE '^bitnpu [0-9]+\.[0-9]+\.[0-9]+ ' "$tmp/out"
report $? 'version says which'
expect_json 'version --json' 'd["version"] and d["command_set"] == "1.1"' version --json
run --version
grep -q '^bitnpu ' "$tmp/out"
report $? '--version is the same'

# Standard output that takes nothing.
"$BITNPU" help >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line 'standard output: No space left'
report $? 'a full standard output'
"$BITNPU" help >&- 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line 'standard output: '
report $? 'a closed standard output'
"$BITNPU" help 2>&- >"$tmp/out"
rc=$?
[ $rc -eq 0 ] && cmp -s "$tmp/out" "$tmp/long"
report $? 'a closed standard error'
(
	trap '' PIPE
	"$BITNPU" run --help 2>"$tmp/err"
	echo $? >"$tmp/rc"
) | true
[ "$(cat "$tmp/rc")" -le 1 ] && ! grep -qv 'Broken pipe' "$tmp/err"
report $? 'a reader that goes away'

finish
