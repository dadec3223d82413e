# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of the bitnpu command: it asks the command itself what there is.

_bitnpu_options() {
	"$1" "$2" --help 2>/dev/null | sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p'
}

# The option that the word before takes its value for, "--device" for "-d".
_bitnpu_long_option() {
	case $3 in
	--*) printf '%s' "$3" ;;
	-?) "$1" "$2" --help 2>/dev/null | sed -n "s/^  $3, \\(--[a-z-]*\\) .*/\\1/p" ;;
	esac
}

_bitnpu() {
	local program=$1 current=$2 previous=$3 command=${COMP_WORDS[1]-} words=

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$("$program" help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p')
	elif [[ $current == -* ]]; then
		words=$(_bitnpu_options "$program" "$command")
	elif [ "$command" = help ]; then
		words=$("$program" help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p')
	else
		case $(_bitnpu_long_option "$program" "$command" "$previous") in
		--device)
			words="auto $("$program" devices 2>/dev/null |
				sed -n '/^$/q; s/^\([a-z]*\(:[0-9]\{1,\}\)\{0,1\}\) .*/\1/p')"
			;;
		--step)
			words='auto host device'
			;;
		--format)
			words='ternary ternary-g256 binary-g128 int8 int8-g32'
			;;
		*)
			mapfile -t COMPREPLY < <(compgen -f -- "$current")
			compopt -o filenames 2>/dev/null
			return
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	# A colon breaks words: drop what stands before it already.
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$current"
	fi
}

complete -F _bitnpu bitnpu
