/**
 * The commands behind `search_files`. They run in the directory that is searched (or that holds the one file given as $1),
 * so that its own name is never taken for a hidden one; patterns are always operands of an option, so that a leading dash
 * means nothing.
 */

/**
 * $1 file or '', $2 pattern, $3 glob or '', $4 lines of context. Without ripgrep grep is used byte by byte, so that files
 * that are not UTF-8 are searched too, in Perl syntax where grep has it.
 */
export const CONTENT_SCRIPT = `if command -v rg >/dev/null 2>&1; then
  set -- "\${1:-./}" "$2" "$3" "$4"
  a=(--json --no-config --no-ignore --hidden --glob '!**/.*/**' --engine auto -C "$4" -e "$2")
  [ -n "$3" ] && a+=(--glob "$3")
  exec rg "\${a[@]}" -- "$1"
fi
export LC_ALL=C
if printf 1 | grep -qP '\\d' 2>/dev/null; then m=-P; else m=-E; fi
a=("$m" -nHIZ -C "$4" -e "$2")
if [ -n "$1" ]; then exec grep "\${a[@]}" -- "$1"; fi
[ -n "$3" ] && a+=(--include="$3")
exec grep -r --exclude-dir='.[!.]*' "\${a[@]}"`;

/** $1 file or '', $2 glob for the name (for the path if it has a slash), $3 second glob for the name or ''. Prints "TIME PATH" ended by NUL. */
export const FILES_SCRIPT = `if [ -n "$1" ]; then p=("$1"); else p=(.); fi
case $2 in */*) t=(-path "./\${2#./}");; *) t=(-name "$2");; esac
[ -n "$3" ] && t+=(-name "$3")
exec find "\${p[@]}" -mindepth 0 -type d -name '.?*' -prune -o -type f "\${t[@]}" -printf '%T@ %p\\0'`;
