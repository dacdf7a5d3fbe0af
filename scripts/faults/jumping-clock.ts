/** Loaded into a server before anything else: its wall clock jumps, both ways and far. Durations stay what they are. */

const FAR_MS = [1_000, 60_000, 3_600_000, 86_400_000, 400 * 86_400_000];
const EVERY_MS = 120;

const realNow = Date.now;
let offset = 0;

function jump(): void {
  const far = FAR_MS[Math.floor(Math.random() * FAR_MS.length)]!;
  offset = Math.round((Math.random() * 2 - 1) * far);
}

const now = () => realNow() + offset;

globalThis.Date = new Proxy(Date, {
  construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [now()] : given, made) as Date,
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});

jump();
setInterval(jump, EVERY_MS).unref();
