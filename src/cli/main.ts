/** The command line: parses, prints, exits. Commands are loaded when they are used, so that `--help` stays quick. */

export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.write(`lachesis ${argv.join(" ")}\n`);
}
