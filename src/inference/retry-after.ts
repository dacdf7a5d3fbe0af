/** How long a server asks to be left alone, from the headers of its answer. */
import type { HttpAnswer } from "./http-request.ts";

/** Milliseconds, or null where the server does not say: `retry-after-ms`, or `retry-after` as seconds or as a date. */
export function retryAfterMs(headers: HttpAnswer["headers"], now: Date): number | null {
  const milliseconds = numberOf(headers["retry-after-ms"]);
  if (milliseconds !== null) return milliseconds;
  const value = first(headers["retry-after"]);
  if (value === undefined) return null;
  const seconds = numberOf(value);
  if (seconds !== null) return seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now.getTime());
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function numberOf(value: string | string[] | undefined): number | null {
  const text = first(value)?.trim();
  if (text === undefined || !/^\d+(\.\d+)?$/.test(text)) return null;
  return Number(text);
}
