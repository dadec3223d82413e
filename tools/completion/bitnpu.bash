# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for bitnpu; options come from each command's own --help.

_bitnpu() {
	local command=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local words=

	compopt -o default 2>/dev/null
	COMPREPLY=()
	if [[ $COMP_CWORD -eq 1 || $COMP_CWORD -eq 2 && $before == help ]]; then
		words=$("$command" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')
	elif [[ $before == -d || $before == --device ]]; then
		words="auto $("$command" devices 2>/dev/null | sed '1d;/^$/,$d;s/ .*//')"
		word=${word#\"}
	elif [[ $word == -* ]]; then
		words=$("$command" "${COMP_WORDS[1]}" --help 2>/dev/null |
			sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p')
	fi
	[[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _bitnpu bitnpu
