/**
 * The time by which a process of its own counts leases and silence: milliseconds since the epoch as they were when it
 * began, counted on by the monotonic clock. Whoever sets the machine's clock moves no lease.
 */
const BEGAN = Date.now() - performance.now();

export function steadyNow(): number {
  return Math.round(BEGAN + performance.now());
}
