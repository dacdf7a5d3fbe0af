/** Bearer tokens and the roles that they give. Without tokens everybody may do everything: only on loopback. */
import { timingSafeEqual } from "node:crypto";
import { LachesisError, redact } from "../../core/index.ts";

export const ROLES = ["env", "trainer", "admin"] as const;
export type Role = (typeof ROLES)[number];

export class Tokens {
  readonly #tokens: readonly { role: Role; token: Buffer }[];

  /** `text`: `role:token`, separated by commas or lines; lines that begin with # are comments. Throws `config_invalid`. */
  constructor(text: string, source: string) {
    const entries = text
      .split("\n")
      .filter((line) => !line.trimStart().startsWith("#"))
      .flatMap((line) => line.split(","))
      .map((entry) => entry.trim())
      .filter((entry) => entry !== "");
    this.#tokens = entries.map((entry, index) => {
      const [role, ...rest] = entry.split(":");
      const token = rest.join(":");
      if (!ROLES.includes(role as Role) || token === "") {
        const place = `${source}, entry ${index + 1}`;
        throw new LachesisError("config_invalid", `${place}: expected role:token with role ${ROLES.join(", ")}.`);
      }
      redact(token);
      return { role: role as Role, token: Buffer.from(token) };
    });
  }

  get empty(): boolean {
    return this.#tokens.length === 0;
  }

  /** The role of an Authorization header; null where it gives none. */
  roleOf(authorization: string | undefined): Role | null {
    const given = Buffer.from(/^Bearer\s+(.+)$/i.exec(authorization ?? "")?.[1] ?? "");
    const found = this.#tokens.find(({ token }) => token.length === given.length && timingSafeEqual(token, given));
    return found?.role ?? null;
  }
}

/** An admin may do everything; the others what is listed for them. */
export function mayUse(role: Role, allowed: readonly Role[]): boolean {
  return role === "admin" || allowed.includes(role);
}
