/**
 * CSV after RFC 4180: fields in quotes may hold commas, line ends and doubled quotes; the first record names the columns.
 * Values stay text, since CSV has no types. Records of another length than the header are errors with their line.
 */
import { LachesisError } from "../core/index.ts";
import type { Entry, Row } from "./entry.ts";
import { textOfFile } from "./text-file.ts";

interface CsvRecord {
  fields: string[];
  /** Line on which the record starts. */
  line: number;
}

/** The rows of a CSV file (`,`) or TSV file (a tab). */
export async function* readCsv(path: string, separator: "," | "\t"): AsyncGenerator<Entry> {
  let header: string[] | null = null;
  for await (const { fields, line } of recordsOf(textOfFile(path), separator, path)) {
    if (fields.length === 1 && fields[0] === "") continue;
    if (header === null) {
      header = checkedHeader(fields, `${path}:${line}`);
      continue;
    }
    if (fields.length !== header.length) {
      throw new LachesisError(
        "data_invalid",
        `${path}:${line}: ${fields.length} fields, but the header names ${header.length} columns.`,
        {
          details: { path, line },
        },
      );
    }
    const row: Row = Object.fromEntries(header.map((name, index) => [name, fields[index]]));
    yield { row, place: `${path}:${line}` };
  }
}

function checkedHeader(fields: string[], place: string): string[] {
  const header = fields.map((name, index) => (index === 0 ? name.replace(/^\uFEFF/, "") : name).trim());
  const twice = header.find((name, index) => header.indexOf(name) !== index);
  if (twice !== undefined)
    throw new LachesisError("data_invalid", `${place}: the column "${twice}" stands twice in the header.`);
  return header;
}

/** Splits text into records. Quotes inside an unquoted field are kept as they are. */
export async function* recordsOf(
  chunks: AsyncIterable<string> | Iterable<string>,
  separator: string,
  path: string,
): AsyncGenerator<CsvRecord> {
  let fields: string[] = [];
  let field = "";
  /** plain: in an unquoted field · quoted: between quotes · closed: after a quote that may end the field. */
  let state: "start" | "plain" | "quoted" | "closed" = "start";
  let line = 1;
  let startLine = 1;
  let quoteLine = 1;
  let skipNewline = false;
  const endField = () => {
    fields.push(field);
    field = "";
    state = "start";
  };
  const endRecord = (): CsvRecord => {
    endField();
    const record = { fields, line: startLine };
    fields = [];
    startLine = line;
    return record;
  };
  const fail = (at: number, message: string) =>
    new LachesisError("data_invalid", `${path}:${at}: ${message}`, { details: { path, line: at } });

  for await (const chunk of chunks) {
    for (const char of chunk) {
      if (skipNewline) {
        skipNewline = false;
        if (char === "\n") continue;
      }
      if (state === "quoted") {
        if (char === '"') state = "closed";
        else {
          field += char;
          if (char === "\n") line++;
        }
        continue;
      }
      if (char === '"' && (state === "closed" || (state === "start" && field === ""))) {
        if (state === "closed") field += char;
        else quoteLine = line;
        state = "quoted";
      } else if (char === separator) endField();
      else if (char === "\n" || char === "\r") {
        skipNewline = char === "\r";
        line++;
        yield endRecord();
      } else if (state === "closed")
        throw fail(line, "after a closing quote only a separator or a line end may follow.");
      else {
        // A byte order mark before a quote is no part of the field.
        if (char === "\uFEFF" && line === 1 && fields.length === 0 && field === "") continue;
        field += char;
        state = "plain";
      }
    }
  }
  if (state === "quoted") throw fail(quoteLine, "the quote that starts here is never closed.");
  if (field !== "" || fields.length > 0 || state === "closed") yield endRecord();
}
