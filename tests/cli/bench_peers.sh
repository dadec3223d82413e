#!/bin/sh
# SPDX-License-Identifier: MIT
# tools/bench-peers: peers that are scripts, in the formats of real ones, whole and broken.
. tests/cli/lib.sh

peers=tools/bench-peers
# What the fakes say, which grows with each call; and what they were called with.
export FAKE="$tmp/fake"
mkdir "$FAKE"

cat >"$tmp/bitnpu" <<'EOF'
#!/usr/bin/python3
import json, os, sys
folder = os.environ["FAKE"]
with open(folder + "/ours", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
turn = sum(1 for _ in open(folder + "/ours"))
option = lambda name: int(sys.argv[sys.argv.index(name) + 1])
row = lambda kind, tokens, depth: {"kind": kind, "tokens": tokens, "depth": depth, "parallel": 1,
                                   "tokens_per_s": 100.0 + turn, "roof_gbps": 20.0}
json.dump({"rows": [row("prefill", option("--prefill"), 0),
                    row("decode", option("--decode"), option("--depth"))]}, sys.stdout)
EOF

cat >"$tmp/llama-bench" <<'EOF'
#!/usr/bin/python3
import json, os, sys
folder = os.environ["FAKE"]
with open(folder + "/theirs", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
turn = sum(1 for _ in open(folder + "/theirs"))
option = lambda name: int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else 0
prompt, tokens, depth = option("-p"), option("-n"), option("-d")
if "table" in sys.argv:
    print("| model      | size | params | backend | threads |  test |           t/s |")
    print("| ---------- | ---: | -----: | ------- | ------: | ----: | ------------: |")
    name = f"pp{prompt}" if prompt else f"tg{tokens}" + (f" @ d{depth}" if depth else "")
    print(f"| bitnet 2B  | 1.00 GiB | 2.41 B | CPU | 2 | {name} | {50.0 + turn:.2f} ± 0.31 |")
    print("\nbuild: 0123abc (45)")
else:
    print("warning: not a debug build")
    json.dump([{"build_commit": "0123abc", "n_threads": 2, "n_prompt": prompt, "n_gen": tokens,
                "n_depth": depth, "avg_ts": 50.0 + turn, "stddev_ts": 0.0,
                "samples_ts": [50.0 + turn]}], sys.stdout, indent=2)
EOF

# The tokenizer adds one, and the first call after "odd" was written there one more.
cat >"$tmp/llama-cli" <<'EOF'
#!/usr/bin/python3
import os, sys
folder = os.environ["FAKE"]
with open(folder + "/theirs", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
option = lambda name: sys.argv[sys.argv.index(name) + 1]
prompt, tokens = option("-p").count("a") + 1, int(option("-n"))
prefix = "llama_print_timings" if "--old" in sys.argv else "main"
print(" a a a some text", end="")
say = lambda text: print(f"{prefix}: {text}", file=sys.stderr)
say("       load time =    1234.50 ms")
each = lambda ms: f"({ms:8.2f} ms per token, {1000 / ms:8.2f} tokens per second)"
say(f"     sample time =       2.00 ms /    {tokens} runs   {each(0.05)}")
say(f"prompt eval time =    {prompt * 10:.2f} ms /    {prompt} tokens {each(10)}")
runs = tokens - ("--old" in sys.argv)
say(f"       eval time =    {runs * 50:.2f} ms /    {runs} runs   {each(50)}")
say("      total time =   17976.26 ms /    14 tokens")
open("main.log", "w").close()
EOF
chmod +x "$tmp/bitnpu" "$tmp/llama-bench" "$tmp/llama-cli"

# peers ARGUMENT... - run it; its output and exit code go where run() puts them
peers() {
	rm -f "$FAKE"/ours "$FAKE"/theirs
	"$PYTHON" "$peers" --bitnpu "$tmp/bitnpu" --model ours.gguf --peer-model theirs.gguf --threads 3 \
		"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
}

# measured NAME EXPRESSION ARGUMENT... - it must succeed and print such JSON
measured() {
	name=$1
	expression=$2
	shift 2
	peers --json - "$@"
	[ "$rc" -eq 0 ] && json "$expression"
	report $? "$name"
}

# refused CODE NAME PATTERN ARGUMENT... - it must exit with CODE, print nothing on stdout, and say why
refused() {
	want=$1
	name=$2
	pattern=$3
	shift 3
	peers "$@"
	[ "$rc" -eq "$want" ] && [ ! -s "$tmp/out" ] && grep -qE -e "$pattern" "$tmp/err" &&
		! grep -q Traceback "$tmp/err"
	report $? "$name"
}

# The first round, calls 1 to 3, is not counted: 104, 107 and 54, 57 are the prompt's.
measured 'llama-bench, as JSON' \
	'[(r["test"], r["ours"]["samples"], r["peer"]["samples"]) for r in d["rows"]] ==
	 [("prefill 16", [104, 107], [54, 57]), ("decode 8 at 0", [105, 108], [55, 58]),
	  ("decode 8 at 32", [106, 109], [56, 59])] and
	 abs(d["rows"][0]["ratio"] - 105.5 / 55.5) < 1e-9 and
	 abs(d["rows"][0]["ratio_min"] - 107 / 57) < 1e-9 and
	 abs(d["rows"][0]["ratio_max"] - 104 / 54) < 1e-9 and
	 d["roof_gbps"]["median"] == 20 and d["threads"] == 3 and 0 <= d["others_share"] <= 1 and
	 d["kind"] == "llama-bench"' \
	--peer "$tmp/llama-bench" --prefill 16 --depth 0,32 --decode 8 --rounds 2
[ "$(sed -n 1p "$FAKE/ours")" = "bench ours.gguf --threads 3 --repeat 1 --json - --prefill 16 \
--depth 0 --decode 1 --device auto" ] &&
	[ "$(sed -n 3p "$FAKE/ours")" = "bench ours.gguf --threads 3 --repeat 1 --json - --prefill 2 \
--depth 32 --decode 8 --device auto" ] &&
	[ "$(sed -n 1p "$FAKE/theirs")" = "-m theirs.gguf -t 3 -r 1 -o json -p 16 -n 0" ] &&
	[ "$(sed -n 3p "$FAKE/theirs")" = "-m theirs.gguf -t 3 -r 1 -o json -p 0 -n 8 -d 32" ]
report $? 'what both were called with'
measured 'llama-bench, as a table' \
	'[r["peer"]["samples"] for r in d["rows"]] == [[54], [55], [56]]' \
	--peer "$tmp/llama-bench" --prefill 16 --depth 0,32 --decode 8 --rounds 1 --peer-args table
measured 'llama-cli' \
	'[(r["test"], r["peer"]["samples"]) for r in d["rows"]] ==
	 [("prefill 16", [100, 100]), ("decode 8 at 32", [20, 20])]' \
	--peer "$tmp/llama-cli" --prefill 16 --depth 32 --decode 8 --rounds 2
[ "$(wc -l <"$FAKE/theirs")" -eq 10 ]
report $? 'two calls to find the length of each prompt, and three to measure'
[ ! -e main.log ]
report $? 'what it writes where it stands is gone'
measured 'llama-cli, older' '[r["peer"]["samples"] for r in d["rows"]] == [[20]]' \
	--peer "$tmp/llama-cli" --prefill '' --depth 32 --decode 8 --rounds 1 --peer-args=--old
measured 'a regular expression, and what to say to the peer' \
	'[r["peer"]["samples"] for r in d["rows"]] == [[71.5], [7.25]]' \
	--peer /bin/sh --prefill 16 --depth 4 --decode 8 --rounds 1 --regex '^speed ([0-9.]+)' \
	--peer-args '-c "echo speed 1; [ {model}{threads}-{prefill}-{depth}-{decode} = theirs.gguf3-16-0-0 ] \
		     && echo speed 71.5; [ {prefill}-{depth}-{decode} = 0-4-8 ] && echo speed 7.25; true"'

peers --peer "$tmp/llama-bench" --prefill 16 --depth '' --rounds 3 --json "$tmp/peers.json"
[ "$rc" -eq 0 ] && grep -q '^Medians of 3 rounds' "$tmp/out" &&
	grep -qE '^prefill 16 +103.00 +[0-9.]+ % +53.00 +[0-9.]+ % +1.94 +1.93 to 1.96$' "$tmp/out" &&
	cp "$tmp/peers.json" "$tmp/out" && json 'len(d["rows"]) == 1'
report $? 'as a table, and JSON to a file'

# broken NAME PATTERN KIND SCRIPT - a peer of that kind whose output is worth nothing
broken() {
	printf '#!/bin/sh\n%s\n' "$4" >"$tmp/broken"
	chmod +x "$tmp/broken"
	refused 1 "$3: $1" "$2" --peer "$tmp/broken" --kind "$3" --prefill 16 --depth '' --rounds 1 \
		--timeout 5
}
broken 'fails' 'exit 7' llama-bench 'echo "cannot open model" >&2; exit 7'
grep -q 'cannot open model' "$tmp/err"
report $? 'and what it said is shown'
broken 'is killed' 'signal 9' llama-bench 'kill -9 $$'
broken 'hangs' 'not done after 5 s' llama-bench 'exec sleep 60'
broken 'says nothing' 'no results for prefill 16' llama-bench 'true'
broken 'ends in the middle' 'no results for prefill 16' llama-bench "echo '[{\"n_prompt\": 16, \"n_gen\"'"
broken 'measured something else' 'no results for prefill 16' llama-bench \
	"echo '[{\"n_prompt\": 512, \"n_gen\": 0, \"avg_ts\": 5.0}]'"
result='{"n_prompt": 16, "n_gen": 0, "avg_ts": 5.0}'
broken 'measured twice' '2 results for prefill 16' llama-bench "echo '[$result, $result]'"
for value in 0 -1 null '"fast"' NaN Infinity; do
	broken "$value tokens a second" 'is no number of tokens a second' llama-bench \
		"echo '[{\"n_prompt\": 16, \"n_gen\": 0, \"avg_ts\": $value}]'"
done
broken 'a list of other things' 'no results' llama-bench "echo '[1, \"a\", null]'"
broken 'a table without numbers' "'fast' is no number" llama-bench \
	"printf '| test | t/s |\n| --- | --- |\n| pp16 | fast |\n'"
broken 'bytes that are no text' 'no results' llama-bench 'head -c 1000 /dev/urandom'
broken 'no times' "no lines with the prefill's" llama-cli 'echo "some text" >&2'
broken 'two runs in one' "2 lines with the prefill's" llama-cli \
	'for i in 1 2; do echo "main: prompt eval time = 1.0 ms / 16 tokens"; done
	 echo "main: eval time = 1.0 ms / 1 runs"'
broken 'prompts that never fit' 'no prompt of 16 tokens found, the last had 99' llama-cli \
	'echo "main: prompt eval time = 1.0 ms / 99 tokens"; echo "main: eval time = 1.0 ms / 1 runs"'
broken 'no time at all' 'is no number of tokens a second' llama-cli \
	'echo "main: prompt eval time = 0.0 ms / 16 tokens"; echo "main: eval time = 0.0 ms / 1 runs"'
cat >"$tmp/other" <<'EOF'
#!/bin/sh
echo "tokens per second: none"
EOF
chmod +x "$tmp/other"
refused 1 'regex: nothing matches' 'nothing matches' --peer "$tmp/other" --regex 'second: ([0-9]+)'
refused 1 'regex: no number' 'is no number of tokens a second' --peer "$tmp/other" --regex 'second: (\w+)'
refused 1 'no such peer' 'No such file' --peer "$tmp/none/llama-bench"
refused 1 'a peer that is no program' 'Permission denied' --peer "$tmp/llama-bench" --bitnpu "$tmp/err"
refused 1 'JSON to nowhere' "$tmp/none/x: no such directory" --peer "$tmp/llama-bench" --json "$tmp/none/x"
printf '#!/bin/sh\necho "{}"\n' >"$tmp/other"
refused 1 'ours is broken' 'no row for prefill 128' --peer "$tmp/llama-bench" --bitnpu "$tmp/other"

refused 2 'an unknown peer' '--kind: what is' --peer /bin/sh
refused 2 'a kind without its expression' '--regex goes with' --peer /bin/sh --kind regex
refused 2 'an expression for another kind' '--regex goes with' --peer "$tmp/llama-cli" --kind llama-cli \
	--regex '(a)'
for bad in '(' 'a' '(a)(b)'; do
	refused 2 "--regex $bad" 'argument --regex: ' --peer /bin/sh --regex "$bad"
done
for bad in prefill=1 prefill=x "prefill=8,,9" depth=-1 decode=0 rounds=0 rounds=x threads=0 timeout=0 \
	   timeout=nan kind=other; do
	refused 2 "--$bad" "argument --${bad%%=*}: " --peer "$tmp/llama-bench" "--$bad"
done
refused 2 'nothing to do' 'nothing to measure' --peer "$tmp/llama-bench" --prefill '' --depth ''
refused 2 'llama-cli without a prompt' '--depth: llama-cli' --peer "$tmp/llama-cli" --depth 0
refused 2 'a quotation that does not end' '--peer-args: ' --peer "$tmp/llama-bench" --peer-args "'"
"$PYTHON" "$peers" --help >"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 0 ] && grep -q '^Exit codes:' "$tmp/out"
report $? '--help'

# The real one against the fake.
"$PYTHON" "$peers" --bitnpu "$BITNPU" --model "$MODEL" --device golden --peer "$tmp/llama-bench" \
	--peer-model x --prefill 4 --depth 2 --decode 2 --rounds 1 --bitnpu-args '--roof-buffer 8M' --json - \
	>"$tmp/out" 2>"$tmp/err"
rc=$?
[ "$rc" -eq 0 ] && json 'len(d["rows"]) == 2 and d["roof_gbps"]["min"] > 0'
report $? 'bitnpu bench itself'

finish
