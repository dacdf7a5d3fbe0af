/** Who wants to hear of changes of a run. */
export class RunListeners {
  readonly #byRun = new Map<string, Set<() => void>>();

  /** Gives the function that ends it. */
  add(run: string, listener: () => void): () => void {
    const listeners = this.#byRun.get(run) ?? new Set();
    this.#byRun.set(run, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#byRun.get(run) === listeners) this.#byRun.delete(run);
    };
  }

  call(run: string): void {
    for (const listener of [...(this.#byRun.get(run) ?? [])]) listener();
  }

  callAll(): void {
    for (const run of [...this.#byRun.keys()]) this.call(run);
  }
}
