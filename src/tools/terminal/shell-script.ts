/**
 * The bash that carries the state of a shell from one command to the next: working directory, exported variables,
 * functions, aliases and shopt options. Each command runs in a bash of its own, so that a command that hangs or exits
 * loses nothing of earlier ones; the state is written by an EXIT trap, so that `exit` in a command keeps it too.
 */

/**
 * The braces make bash read what follows the command before it runs it: an unterminated quote in the command would
 * otherwise make it stumble over our own lines.
 * Arguments: command, state file to start from, directory for this call only ('' for none), code that saves the state.
 */
export const RUN_COMMAND = `shopt -s expand_aliases
if [ -r "$2" ]; then . "$2" 2>/dev/null; fi
if [ -n "$3" ]; then __lachesis_cwd=$PWD; cd -- "$3" || exit 126; fi
__lachesis_command=$1 __lachesis_save=$4
shift $#
if [ -n "$__lachesis_save" ]; then trap -- "$__lachesis_save" EXIT; fi
{
eval "$__lachesis_command"
{ __lachesis_status=$?; set +xv; } 2>/dev/null
eval "$__lachesis_save"
exit "$__lachesis_status"
}`;

export interface SavePlan {
  stateFile: string;
  /** Gets the command's mark and the working directory, each ended by NUL, once the state file is complete. */
  cwdFile: string;
  mark: string;
  /** Names that are exported before any command; those that no longer are have to be unset next time. */
  exported: readonly string[];
}

/**
 * The code that saves the state: no function and no subprocess, so that it leaves no trace in what it saves and costs
 * nothing. Functions come before aliases, which would otherwise be expanded in them a second time.
 */
export function saveCode({ stateFile, cwdFile, mark, exported }: SavePlan): string {
  const unset = exported.map((name) => `[[ \${${name}@a} == *x* ]] || printf 'unset -v ${name}\\n'`).join("\n");
  return `{ set +xvuef; } 2>/dev/null
if [ -z "$__lachesis_saved" ]; then
__lachesis_saved=1
set +o noclobber +o posix
{ {
shopt -p
declare -f
declare -Fx
${unset}
export -p
alias -p
printf 'cd -- %q\\nOLDPWD=%q\\n' "\${__lachesis_cwd-$PWD}" "$OLDPWD"
} > ${quote(stateFile)} && printf '%s\\0%s\\0' ${quote(mark)} "\${__lachesis_cwd-$PWD}" > ${quote(cwdFile)}; } 2>/dev/null
fi`;
}

/** The text as one word of the shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
