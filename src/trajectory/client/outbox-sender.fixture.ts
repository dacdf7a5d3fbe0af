/** Puts groups 0 … n−1 into an outbox and sends them; run as a process of its own, to be killed. */
import { EnvClient } from "./env-client.ts";
import { Outbox } from "./outbox.ts";

const [directory, url, count] = process.argv.slice(2) as [string, string, string];
const client = new EnvClient({ url });
const outbox = await Outbox.open({
  directory,
  send: (value, key, signal) => client.submit(JSON.stringify(value), key, signal),
});
outbox.start();
for (let index = 0; index < Number(count); index++) {
  await outbox.add(`group-${index}`, { tokens: [[1, 2]], masks: [[-100, 2]], scores: [index] });
}
await outbox.flush(30_000);
await outbox.close();
await client.close();
