/**
 * Masks what looks like a secret in tool results, for runs that ask for it (`redact_tool_output`). It is off by default:
 * sandboxes hold no secrets of the host, and masking changes what the model sees.
 */
import { isObject } from "../core/index.ts";

const PATTERNS: RegExp[] = [
  // Keys that start with their vendor's mark.
  /\b(?:sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_\w{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|npm_\w{30,}|pypi-[\w-]{30,}|(?:sk|rk)_live_\w{16,}|SG\.[\w-]{16,}\.[\w-]{16,})/g,
  // JSON web tokens.
  /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}/g,
  /(?<=\bBearer\s+)[\w.~+/-]{16,}=*/gi,
  // The password of a URL.
  /(?<=\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/]{0,100}:)[^\s@/]{1,200}(?=@)/gi,
  /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----/g,
];

/** The text with secrets masked: the first 6 and last 4 characters of long ones stay, short ones go. */
export function redactText(text: string): string {
  return PATTERNS.reduce((masked, pattern) => masked.replace(pattern, mask), text);
}

const mask = (secret: string) =>
  secret.length < 18 || secret.startsWith("-----") ? "***" : `${secret.slice(0, 6)}...${secret.slice(-4)}`;

/** A tool's result with every string in it masked. */
export function withoutSecrets(result: string | object): string | object {
  return masked(result) as string | object;
}

function masked(value: unknown): unknown {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) return value.map(masked);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, masked(field)]));
  return value;
}
