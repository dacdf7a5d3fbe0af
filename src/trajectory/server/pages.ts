/**
 * The pages that people look at: the live view and the browsable document. They load nothing from elsewhere, and what
 * they show is put in as text, never as markup.
 */

export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

const STYLE = `
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.3rem } h2 { font-size: 1.1rem; margin-top: 2rem } h3 { font-size: 1rem }
table { border-collapse: collapse; margin: .5rem 0 } td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #ddd }
pre { background: #f5f5f5; padding: .6rem; overflow: auto } .off { color: #999 } #state { color: #666 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } pre { background: #242424 } td, th { border-color: #444 } }
`;

const COMMON = `
const make = (tag, text, parent, className) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = String(text);
  if (className) node.className = className;
  if (parent) parent.append(node);
  return node;
};
const table = (parent, head, rows) => {
  const node = make("table", null, parent);
  const top = make("tr", null, node);
  for (const name of head) make("th", name, top);
  for (const row of rows) {
    const line = make("tr", null, node, row.off ? "off" : "");
    for (const cell of row.cells) make("td", cell, line);
  }
};
`;

const page = (title: string, body: string, script: string) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title><style>${STYLE}</style></head>
<body>${body}<script>${COMMON}${script}</script></body></html>
`;

export const LIVE_PAGE = page(
  "Lachesis: runs",
  `<h1>Runs</h1><p><label>Token <input id="token" type="password" autocomplete="off"></label> <span id="state"></span></p><div id="runs"></div>`,
  `
const bytes = (value) => value < 1e6 ? (value / 1e3).toFixed(1) + " kB" : value < 1e9 ? (value / 1e6).toFixed(1) + " MB" : (value / 1e9).toFixed(1) + " GB";
const show = (runs) => {
  const all = document.createDocumentFragment();
  for (const run of runs) {
    make("h2", run.run, all);
    const c = run.counts;
    const plan = run.registration;
    table(all, ["step", "of", "batch size", "queued", "buffered", "formed", "leased", "waiting", "delivered groups"], [{ cells: [
      run.step, plan ? plan.num_steps : "–", plan ? plan.batch_size : "–", c.queued_groups, c.buffered_groups,
      c.formed_batches, c.leased_batches, bytes(c.waiting_bytes), c.delivered_groups ] }]);
    make("p", "Trainers: " + run.trainers.length + ", last call: " + (run.trainer_last_seen || "never") + "; oldest weights in batches: " + (run.staleness.max ?? "–") + " steps behind, allowed: " + (run.staleness.max_allowed ?? "any"), all);
    const filtered = Object.entries(run.filtered);
    if (filtered.length) make("p", "Set aside: " + filtered.map(([reason, n]) => n + " " + reason).join(", "), all);
    table(all, ["env", "name", "weight", "group size", "share", "queued sequences", "last seen"], run.envs.map((env) => ({ off: !env.connected, cells: [
      env.env_id, env.name, env.weight, env.group_size, env.min_batch_allocation ?? "–", env.queued_sequences, env.connected ? env.last_seen : "gone since " + env.last_seen ] })));
  }
  if (!runs.length) make("p", "No run yet.", all);
  document.getElementById("runs").replaceChildren(all);
};
const look = async () => {
  const token = document.getElementById("token").value;
  const state = document.getElementById("state");
  try {
    const answer = await fetch("v2/runs", token ? { headers: { authorization: "Bearer " + token } } : {});
    if (answer.ok) { show((await answer.json()).runs); state.textContent = new Date().toLocaleTimeString(); }
    else state.textContent = answer.status + ": " + (await answer.json()).detail;
  } catch (error) { state.textContent = String(error); }
  setTimeout(look, 2000);
};
look();
`,
);

export const DOCS_PAGE = page(
  "Lachesis: trajectory API",
  `<h1 id="title"></h1><p id="about"></p><div id="operations"></div>`,
  `
(async () => {
  const document_ = await (await fetch("openapi.json")).json();
  document.getElementById("title").textContent = document_.info.title + " " + document_.info.version;
  document.getElementById("about").textContent = document_.info.description;
  const root = document.getElementById("operations");
  for (const [path, methods] of Object.entries(document_.paths)) for (const [method, operation] of Object.entries(methods)) {
    make("h3", method.toUpperCase() + " " + path, root);
    make("p", operation.summary + (operation.description ? ". " + operation.description : ""), root);
    const body = operation.requestBody && operation.requestBody.content["application/json"].schema;
    if (body) make("pre", "body: " + JSON.stringify(body, null, 1), root);
    const ok = operation.responses["200"].content;
    if (ok) make("pre", "answer: " + JSON.stringify(ok["application/json"].schema, null, 1), root);
  }
  make("h2", "Schemas", root);
  for (const [name, schema] of Object.entries(document_.components.schemas)) {
    make("h3", name, root);
    make("pre", JSON.stringify(schema, null, 1), root);
  }
})();
`,
);
