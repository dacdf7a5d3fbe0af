/** Closed `<think>` blocks of a text, for formats whose calls do not count inside them. */
import { tagBlocks } from "./tag-blocks.ts";

export function thinkRegions(text: string): { start: number; end: number }[] {
  return tagBlocks(text, "<think>", "</think>").filter((block) => block.closed);
}

/** A test whether a position lies in a region; positions asked for must grow. */
export function insideRegions(regions: readonly { start: number; end: number }[]): (at: number) => boolean {
  let index = 0;
  return (at) => {
    while (index < regions.length && regions[index]!.end <= at) index++;
    const region = regions[index];
    return region !== undefined && region.start <= at;
  };
}
