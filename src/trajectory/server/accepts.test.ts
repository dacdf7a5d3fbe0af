import { expect, it } from "vitest";
import { qualityOf } from "./accepts.ts";

it.each([
  [undefined, 0],
  ["", 0],
  ["*", 0],
  ["gzip", 1],
  ["br, GZIP", 1],
  ["br;q=1, gzip;q=0.5", 0.5],
  ["gzip; q=0", 0],
  ["gzip;q=0.000", 0],
  ["gzip;q=x", 1],
  ["gzip;q=1.2.3", 0],
  ["xgzip", 0],
])("qualityOf %j is %d", (header, quality) => {
  expect(qualityOf(header, "gzip")).toBe(quality);
});
