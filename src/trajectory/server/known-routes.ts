/** Which methods a path knows, so that a wrong method is told apart from a wrong path. */
import type { FastifyInstance } from "fastify";

export function methodsByPath(app: FastifyInstance): (url: string) => string[] {
  const known: { method: string; pattern: RegExp }[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    const pattern = new RegExp(`^${url.replace(/:\w+/g, "[^/]+")}/?$`);
    for (const one of [method].flat()) known.push({ method: one, pattern });
  });
  return (url) => {
    const path = url.split("?")[0]!;
    return known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  };
}
