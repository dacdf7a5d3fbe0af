/** Tables of plain text, as terminals and logs show them. */

export interface TableOptions {
  /** Columns that are aligned to the right, by index. */
  right?: readonly number[];
}

/** A table with a header line; columns are as wide as their widest cell. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[], options: TableOptions = {}) {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? "", width, options.right?.includes(column))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => ruleCell(width, options.right?.includes(column))).join("|")}|`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

function pad(text: string, width: number, right = false): string {
  return right ? text.padStart(width) : text.padEnd(width);
}

function ruleCell(width: number, right = false): string {
  return right ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2);
}
