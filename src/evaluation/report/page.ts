/** The report as one HTML page: no scripts, nothing loaded from anywhere, and a policy in the page that says so. */
import { textOf } from "../../core/index.ts";
import { clusteredMean } from "../statistics.ts";
import { badge, rolloutBlock } from "./conversation.ts";
import { type Html, html } from "./html.ts";
import { bars, histogram, milliseconds, series, shortNumber } from "./plots.ts";
import type { ReportData, ReportGroup } from "./run-data.ts";
import { STYLE } from "./style.ts";

export function reportPage(data: ReportData): string {
  const { run } = data;
  const title = `${run.environment} · ${run.mode}`;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><meta name="referrer" content="no-referrer">
<title>${title}</title><style>${styleSheet}</style></head><body><main>
<h1>${run.environment}</h1><p class="muted">${run.mode} · ${modelOf(data)} · started ${run.started_at.slice(0, 19).replace("T", " ")} UTC</p>
${cards(data)}${plots(data)}${metrics(data)}${problems(data)}${groups(data)}${config(data)}
<footer>Written by Lachesis. The whole data lies beside this file: journal.jsonl, ${run.mode === "evaluate" ? "samples.jsonl" : "groups.jsonl, rollouts.jsonl"}.</footer>
</main></body></html>
`;
  return page.text;
}

/** The style sheet is ours and holds no user's text. */
const styleSheet: Html = html([STYLE] as unknown as TemplateStringsArray);

function modelOf({ run }: ReportData): string {
  const servers = Array.isArray(run.config.openai) ? run.config.openai : [];
  const names = servers.map((server: { model_name?: unknown; server_type?: unknown }) =>
    server.server_type === "embedded" ? "embedded model" : String(server.model_name ?? ""),
  );
  return [...new Set(names)].join(", ");
}

function cards({ rollouts, groups, run }: ReportData): Html {
  const byGroup = [...Map.groupBy(rollouts, (record) => record.group_id).values()];
  const rewards = byGroup.map((members) =>
    members.flatMap(({ outcome }) => (outcome.kind === "scored" ? [outcome.reward] : [])),
  );
  const { mean, stderr } = clusteredMean(rewards);
  const scored = rewards.flat();
  const failed = rollouts.length - scored.length;
  const asZero = rollouts.length === 0 ? null : scored.reduce((sum, reward) => sum + reward, 0) / rollouts.length;
  const tokens = rollouts.reduce((sum, { usage }) => sum + usage.completion_tokens, 0);
  const cost = rollouts.reduce<number | null>(
    (sum, { usage }) => (usage.cost_usd === null ? sum : (sum ?? 0) + usage.cost_usd),
    null,
  );
  const written = groups.filter(({ record }) => record?.status === "written").length;
  const meanText =
    mean === null
      ? "–"
      : html`${mean.toFixed(3)}${stderr === null ? "" : html` <small>± ${stderr.toFixed(3)}</small>`}`;
  const list: [string | Html, string, boolean][] = [
    [meanText, "mean reward of the scored", false],
    [asZero === null ? "–" : asZero.toFixed(3), "mean, errors as 0", false],
    [String(rollouts.length), run.mode === "evaluate" ? "attempts" : "rollouts", false],
    [
      String(byGroup.length),
      run.mode === "evaluate"
        ? "items"
        : written === byGroup.length
          ? "groups"
          : `groups (${written} of ${groups.length} written)`,
      false,
    ],
    [
      rollouts.length === 0 ? "–" : `${((failed / rollouts.length) * 100).toFixed(1)} %`,
      `not scored (${failed})`,
      failed > 0,
    ],
    [shortNumber(tokens), "completion tokens", false],
    ...(cost === null ? [] : ([[`$${cost.toFixed(3)}`, "cost", false]] as [string, string, boolean][])),
  ];
  return html`<div class="cards">${list.map(
    ([value, name, bad]) => html`<div class="card ${bad ? "bad" : ""}"><b>${value}</b><span>${name}</span></div>`,
  )}</div>`;
}

function plots({ rollouts, run }: ReportData): Html {
  if (rollouts.length === 0) return html`<p>No rollout has finished yet.</p>`;
  const scored = rollouts.flatMap(({ outcome }) => (outcome.kind === "scored" ? [outcome.reward] : []));
  const means = [...Map.groupBy(rollouts, (record) => record.group_id).values()].flatMap((members) => {
    const rewards = members.flatMap(({ outcome }) => (outcome.kind === "scored" ? [outcome.reward] : []));
    return rewards.length === 0 ? [] : [rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length];
  });
  const stops = new Map<string, number>();
  for (const { stop_reason } of rollouts) stops.set(stop_reason ?? "none", (stops.get(stop_reason ?? "none") ?? 0) + 1);
  return html`<h2>Distributions</h2><div class="plots">
${histogram("Rewards", scored)}
${run.mode === "evaluate" ? "" : series("Mean reward by group, in order", means)}
${bars("Stop reasons", stops, (name) => name !== "completed")}
${histogram(
  "Turns",
  rollouts.map((record) => record.turns_used),
)}
${histogram(
  "Completion tokens",
  rollouts.map(({ usage }) => usage.completion_tokens),
)}
${histogram(
  "Duration",
  rollouts.map(({ timings }) => timings.total_ms),
  milliseconds,
)}
</div>`;
}

function metrics({ metrics: values }: ReportData): Html {
  if (!values) return html``;
  const names = Object.keys(values).filter((name) => !/_(stderr|ci95)$/.test(name));
  const row = (name: string) => {
    const value = values[name];
    const stderr = values[`${name}_stderr`];
    const interval = values[`${name}_ci95`];
    const notes = [
      typeof stderr === "number" ? `± ${stderr.toFixed(4)}` : "",
      Array.isArray(interval) ? `95 %: ${interval.map((edge) => Number(edge).toFixed(3)).join(" to ")}` : "",
    ];
    return html`<tr><td><code>${name}</code></td><td class="n">${typeof value === "number" ? shortNumber(value) : String(value)}</td><td class="muted">${notes.filter(Boolean).join(" · ")}</td></tr>`;
  };
  return html`<h2>Metrics</h2><table class="data"><tr><th>metric</th><th class="n">value</th><th>standard error, clustered by item</th></tr>${names.map(row)}</table>`;
}

function problems({ rollouts }: ReportData): Html {
  const reasons = new Map<string, { kind: string; reason: string; count: number; example: string }>();
  for (const { outcome } of rollouts) {
    if (outcome.kind === "scored") continue;
    const reason = outcome.kind === "aborted" ? outcome.error.code : outcome.reason;
    const known = reasons.get(`${outcome.kind} ${reason}`);
    if (known) known.count++;
    else
      reasons.set(`${outcome.kind} ${reason}`, {
        kind: outcome.kind,
        reason,
        count: 1,
        example: outcome.error?.message ?? "",
      });
  }
  if (reasons.size === 0) return html``;
  const rows = [...reasons.values()].sort((a, b) => b.count - a.count);
  return html`<h2>Not scored</h2><table class="data"><tr><th>outcome</th><th>reason</th><th class="n">count</th><th>first message</th></tr>${rows.map(
    (row) =>
      html`<tr><td>${row.kind}</td><td><code>${row.reason}</code></td><td class="n">${row.count}</td><td>${row.example.slice(0, 400)}</td></tr>`,
  )}</table>`;
}

function groups(data: ReportData): Html {
  const all = new Set(data.rollouts.map((record) => record.group_id)).size;
  const missing = all - data.groups.length;
  const what = data.run.mode === "evaluate" ? "Items" : "Groups";
  return html`<h2>${what}</h2>
<div class="filters"><label><input type="radio" name="show" checked> all</label><label><input type="radio" name="show" id="only-unsolved"> with a reward below 1</label><label><input type="radio" name="show" id="only-failed"> with rollouts that were not scored</label></div>
${missing > 0 ? html`<p class="muted">${data.groups.length} of ${all} are listed: those with failures first, then an even selection.</p>` : ""}
${data.omitted > 0 ? html`<p class="muted">${data.omitted} conversations are left out to keep the report small.</p>` : ""}
${data.groups.map(groupBlock)}`;
}

function groupBlock(group: ReportGroup): Html {
  const outcomes = group.rollouts.map(({ record }) => record.outcome);
  const failed = outcomes.some((outcome) => outcome.kind !== "scored");
  const unsolved = outcomes.some((outcome) => outcome.kind !== "scored" || outcome.reward < 1);
  const filtered =
    group.record?.status === "filtered" ? html`<span class="badge some">filtered: ${group.record.reason}</span>` : "";
  return html`<details class="group ${failed ? "has-failed" : ""} ${unsolved ? "has-unsolved" : ""}"><summary><span class="id">${group.id}</span>${outcomes.map(badge)}${filtered}<span class="prompt">${promptOf(group)}</span></summary>${group.rollouts.map(rolloutBlock)}</details>`;
}

function promptOf({ rollouts }: ReportGroup): string {
  const messages = rollouts.find(({ transcript }) => transcript)?.transcript?.messages;
  return textOf(messages?.find(({ role }) => role === "user")?.content ?? "").slice(0, 240);
}

function config({ run }: ReportData): Html {
  return html`<h2>Configuration</h2><details class="group config"><summary>resolved values</summary><pre>${JSON.stringify(run.config, null, 2)}</pre></details>`;
}
