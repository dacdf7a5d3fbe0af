/**
 * The commands behind `search_files`. They run in the directory that is searched (or that holds the one file given as $1),
 * so that its own name is never taken for a hidden one; patterns are always operands of an option, so that a leading dash
 * means nothing.
 */

/**
 * $1 file or '', $2 pattern, $3 the same over bytes, $4 lines of context, then globs. Without ripgrep grep is used byte by
 * byte, so that files that are not UTF-8 are searched too, in Perl syntax where grep has it.
 */
export const CONTENT_SCRIPT = `f=$1 p=$2 b=$3 c=$4
shift 4
if command -v rg >/dev/null 2>&1; then
  a=(--json --no-config --no-ignore --hidden --sort path --engine auto -C "$c" -e "$p")
  for g; do a+=(--glob "$g"); done
  exec rg "\${a[@]}" --glob '!**/.*/**' -- "\${f:-./}"
fi
export LC_ALL=C
if printf 1 | grep -qP '\\d' 2>/dev/null; then m=-P p=$b; else m=-E; fi
a=("$m" -nHIZ -C "$c" -e "$p")
if [ -n "$f" ]; then exec grep "\${a[@]}" -- "$f"; fi
for g; do a+=(--include="$g"); done
exec grep -r --exclude-dir='.[!.]*' "\${a[@]}"`;

/**
 * $1 file or '', $2 number of globs of which one has to fit (the path, if it has a slash, else the name), those globs, then
 * globs of which one has to fit the name. Prints "TIME PATH" ended by NUL.
 */
export const FILES_SCRIPT = `d=\${1:-.} n=$2
shift 2
t=(-false)
for ((; n > 0; n--)); do
  case $1 in */*) t+=(-o -path "./\${1#./}");; *) t+=(-o -name "$1");; esac
  shift
done
u=(-true)
if [ $# -gt 0 ]; then u=(-false); for g; do u+=(-o -name "$g"); done; fi
exec find "$d" -mindepth 0 -type d -name '.?*' -prune -o -type f '(' "\${t[@]}" ')' '(' "\${u[@]}" ')' -printf '%T@ %p\\0'`;

/** The globs that a glob with braces stands for: `*.{js,ts}` is `*.js` and `*.ts`. At most 100. */
export function withoutBraces(glob: string): string[] {
  const done: string[] = [];
  const open = [glob];
  while (open.length > 0 && done.length + open.length <= 100) {
    const next = open.pop()!;
    const braces = /\{([^{}]*,[^{}]*)\}/.exec(next);
    if (!braces) {
      done.unshift(next);
      continue;
    }
    const after = next.slice(braces.index + braces[0].length);
    open.push(
      ...braces[1]!
        .split(",")
        .slice(0, 100)
        .map((choice) => next.slice(0, braces.index) + choice + after),
    );
  }
  return [...open, ...done];
}
