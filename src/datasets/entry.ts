/** A row of a data set, and where it stands, for messages. */

export type Row = Record<string, unknown>;

export interface Entry {
  row: Row;
  /** `FILE:LINE` or `FILE row N`. */
  place: string;
}
