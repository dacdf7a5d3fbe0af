/** What a client can read, by its Accept and Accept-Encoding headers. Only what is named counts: `*` names nothing. */

/** 0 to 1; 0 where the header does not name it, or names it as unwanted. */
export function qualityOf(header: string | string[] | undefined, name: string): number {
  for (const part of String(header ?? "").split(",")) {
    const [named, ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    if (named !== name) continue;
    const given = parameters.map((text) => /^q=([\d.]+)$/.exec(text)?.[1]).find((text) => text !== undefined);
    return given === undefined ? 1 : Math.min(1, Number(given) || 0);
  }
  return 0;
}
