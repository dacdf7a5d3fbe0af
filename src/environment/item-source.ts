/**
 * Items with their identity. An item is known by its `id`, else by its place in the order; an item that comes again (an
 * environment may hand out the same ones for ever) is told apart by how often it came. The same environment gives the
 * same identities in every process, which is what lets a run go on where it was.
 */
import { isObject } from "../core/index.ts";

export interface NamedItem<Item> {
  item: Item;
  itemId: string;
  /** Unique in the run. */
  groupId: string;
}

/** Where in the order of items the names are. */
export interface ItemNamesState {
  place: number;
  /** How often each id came. */
  seen: Record<string, number>;
}

export class ItemNames {
  #place = 0;
  readonly #seen = new Map<string, number>();
  readonly #prefix: string;

  /** @param prefix Put before group ids, for evaluations of several sets in one run. */
  constructor(prefix = "") {
    this.#prefix = prefix;
  }

  state(): ItemNamesState {
    return { place: this.#place, seen: Object.fromEntries(this.#seen) };
  }

  restore({ place, seen }: ItemNamesState): void {
    this.#place = place;
    this.#seen.clear();
    for (const [id, times] of Object.entries(seen)) this.#seen.set(id, times);
  }

  name<Item>(item: Item): NamedItem<Item> {
    const place = this.#place++;
    const itemId =
      isObject(item) && (typeof item.id === "string" || typeof item.id === "number") ? String(item.id) : String(place);
    const times = this.#seen.get(itemId) ?? 0;
    this.#seen.set(itemId, times + 1);
    // An id that looks like that of a repetition gets a number, too, so that no two groups are called the same.
    const number = times > 0 || /~\d+$/.test(itemId) ? `~${times + 1}` : "";
    return { item, itemId, groupId: `${this.#prefix}${itemId}${number}` };
  }
}
