/**
 * The order of the calls of one rollout. Shared calls run side by side; an exclusive call runs alone, after every call
 * that entered before it and before every call that enters after it. So calls started together have the effect of calls
 * made one after another, wherever that could make a difference.
 */
export class CallOrder {
  /** Ends when the last exclusive call, and all before it, are over. */
  #barrier: Promise<void> = Promise.resolve();
  /** Shared calls since the barrier. */
  #shared: Promise<void>[] = [];

  /** Waits for the call's turn and gives the function that ends it. */
  async enter(exclusive: boolean): Promise<() => void> {
    let leave = () => {};
    const over = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const before = exclusive ? Promise.all([this.#barrier, ...this.#shared]).then(() => {}) : this.#barrier;
    if (exclusive) {
      this.#barrier = over;
      this.#shared = [];
    } else {
      if (this.#shared.length >= 64) this.#shared = [Promise.all(this.#shared).then(() => {})];
      this.#shared.push(over);
    }
    await before;
    return leave;
  }
}
