/**
 * One run in memory: its rows, and the indexes that make status, submit and batch forming independent of the length of
 * the queue. Rows change only through `put`, which keeps the indexes and notes the change for the store.
 */
import { LachesisError } from "../../core/index.ts";
import { EnvBuffer } from "./env-buffer.ts";
import { Packer, type QueuedGroup } from "./packing.ts";
import type { BatchRow, EnvRow, GroupRow, KeyRow, Row, RunRow } from "./records.ts";

export class RunState {
  readonly name: string;
  run: RunRow;
  readonly envs = new Map<number, EnvRow>();
  readonly groups = new Map<number, GroupRow>();
  /** In the order in which they were formed. */
  readonly batches = new Map<number, BatchRow>();
  readonly keys = new Map<string, KeyRow>();
  /** Groups that wait until they complete their env's size. */
  readonly buffers = new Map<number, EnvBuffer>();
  /** Queued sequences by env; the null key holds those without one. */
  readonly queuedSequences = new Map<number | null, number>();
  packer = new Packer({ perEnv: false });
  /** For runs with minimum shares. */
  envPacker = new Packer({ perEnv: true });
  /** Ids of groups that were set aside, oldest first. */
  readonly aside = new Set<number>();
  asideBytes = 0;
  /** Of all stored payloads that are still to be handed out. */
  waitingBytes = 0;
  waitingGroups = 0;
  /** Groups that stand in a formed batch. */
  readonly #batched = new Set<number>();
  /** The newest row of each place that was written to. */
  #changes = new Map<string, Row>();
  #cleared = false;
  #writes = 0;
  #stored = false;

  constructor(name: string, now: number) {
    this.name = name;
    this.run = freshRun(now);
  }

  /** True while nothing of the run is stored. */
  get isBlank(): boolean {
    return !this.#stored;
  }

  /** Forgets everything. */
  clear(now: number): void {
    this.run = freshRun(now);
    for (const index of [this.envs, this.groups, this.batches, this.keys, this.buffers, this.queuedSequences])
      index.clear();
    this.aside.clear();
    this.asideBytes = 0;
    this.packer = new Packer({ perEnv: false });
    this.envPacker = new Packer({ perEnv: true });
    this.waitingBytes = 0;
    this.waitingGroups = 0;
    this.#batched.clear();
    this.#stored = false;
    this.#changes.clear();
    this.#cleared = true;
    this.#writes++;
  }

  /** What was written since the last call, each row once; a clearing of the run comes first. */
  takeChanges(): Row[] {
    const rows = [...this.#changes.values()];
    if (this.#cleared) rows.unshift({ table: "clear", id: "", body: null });
    this.#changes.clear();
    this.#cleared = false;
    return rows;
  }

  /** Grows with every write. */
  get writes(): number {
    return this.#writes;
  }

  get hasChanges(): boolean {
    return this.#cleared || this.#changes.size > 0;
  }

  /** Throws `not_found` where no trainer has created the run. */
  requireRegistered(): void {
    if (this.run.registration) return;
    const how = `a trainer creates it with POST /v2/runs/${this.name}`;
    throw new LachesisError("not_found", `There is no run "${this.name}"; ${how}.`);
  }

  patchRun(fields: Partial<RunRow>): void {
    this.put({ table: "run", id: "run", body: { ...this.run, ...fields } });
  }

  patchEnv(id: number, fields: Partial<EnvRow>): void {
    const env = this.envs.get(id);
    if (!env) throw new LachesisError("internal", `Run ${this.name} has no env ${id}.`);
    this.put({ table: "env", id: String(id), body: { ...env, ...fields } });
  }

  patchGroup(id: number, fields: Partial<GroupRow>): void {
    const group = this.groups.get(id);
    if (!group) throw new LachesisError("internal", `Run ${this.name} has no group ${id}.`);
    this.put({ table: "group", id: String(id), body: { ...group, ...fields } });
  }

  patchBatch(id: number, fields: Partial<BatchRow>): void {
    const batch = this.batches.get(id);
    if (!batch) throw new LachesisError("internal", `Run ${this.name} has no batch ${id}.`);
    this.put({ table: "batch", id: String(id), body: { ...batch, ...fields } });
  }

  put(row: Row): void {
    this.load(row);
    this.#writes++;
    const place = `${row.table}:${row.id}`;
    const before = this.#changes.get(place);
    // A group's payload is given once, with its first row.
    const payload = before?.table === "group" && before.body ? before.payload : undefined;
    const whole = row.table === "group" && row.body && payload ? { payload, ...row } : row;
    this.#changes.set(place, whole);
  }

  /** Takes rows as the store holds them; groups must come before the batches that hold them. */
  loadAll(rows: readonly Row[]): void {
    for (const row of rows) this.load(row);
  }

  /** Takes a row as the store holds it. */
  load(row: Row): void {
    this.#stored = true;
    switch (row.table) {
      case "run":
        this.run = row.body;
        return;
      case "env":
        if (row.body) this.envs.set(Number(row.id), row.body);
        else this.envs.delete(Number(row.id));
        return;
      case "group":
        this.#loadGroup(Number(row.id), row.body);
        return;
      case "batch":
        this.#loadBatch(Number(row.id), row.body);
        return;
      case "key":
        if (row.body) this.keys.set(row.id, row.body);
        else this.keys.delete(row.id);
        return;
      case "clear":
        throw new LachesisError("internal", "A run is cleared by itself, not by a row.");
    }
  }

  #loadBatch(id: number, body: BatchRow | null): void {
    const before = this.batches.get(id);
    if (!body) {
      this.batches.delete(id);
      return;
    }
    this.batches.set(id, body);
    if (before) return;
    // Together: one by one they would leave half packs behind, which gather anew each time.
    this.#unqueue(body.groups);
    for (const group of body.groups) this.#batched.add(group);
  }

  #loadGroup(id: number, body: GroupRow | null): void {
    const before = this.groups.get(id);
    if (before) this.#unindex(id, before);
    if (body) {
      this.groups.set(id, body);
      this.#index(id, body);
    } else {
      this.groups.delete(id);
      this.#batched.delete(id);
    }
  }

  #index(id: number, group: GroupRow): void {
    if (group.state === "aside") {
      this.aside.add(id);
      this.asideBytes += group.bytes;
    }
    if (group.state === "aside" || group.state === "kept") return;
    this.waitingBytes += group.bytes;
    this.waitingGroups++;
    if (group.state === "buffered" && group.env !== null) {
      const buffer = this.buffers.get(group.env) ?? new EnvBuffer();
      this.buffers.set(group.env, buffer);
      buffer.add(id, group.size);
    }
    if (group.state === "queued" && !this.#batched.has(id)) {
      const queued: QueuedGroup = { id, place: group.place ?? id, size: group.size, env: group.env };
      this.packer.add(queued);
      this.envPacker.add(queued);
      this.#addSequences(group.env, group.size);
    }
  }

  #unindex(id: number, group: GroupRow): void {
    if (group.state === "aside") {
      this.aside.delete(id);
      this.asideBytes -= group.bytes;
    }
    if (group.state === "aside" || group.state === "kept") return;
    this.waitingBytes -= group.bytes;
    this.waitingGroups--;
    if (group.state === "buffered" && group.env !== null) this.buffers.get(group.env)?.delete(id, group.size);
    if (group.state === "queued") this.#unqueue([id]);
  }

  #unqueue(ids: readonly number[]): void {
    const queued = ids.filter((id) => this.packer.has(id));
    this.packer.remove(queued);
    this.envPacker.remove(queued);
    for (const id of queued) {
      const group = this.groups.get(id);
      if (group) this.#addSequences(group.env, -group.size);
    }
  }

  #addSequences(env: number | null, size: number): void {
    const total = (this.queuedSequences.get(env) ?? 0) + size;
    if (total === 0) this.queuedSequences.delete(env);
    else this.queuedSequences.set(env, total);
  }
}

function freshRun(now: number): RunRow {
  return {
    registration: null,
    started: false,
    step: 0,
    nextGroup: 0,
    nextPlace: 0,
    nextBatch: 0,
    nextEnv: 0,
    trainers: [],
    delivered: { groups: 0, sequences: 0 },
    aside: {},
    latest: null,
    createdAt: now,
  };
}
