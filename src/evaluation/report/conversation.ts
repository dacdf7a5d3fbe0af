/** One rollout in the report: how it ended, how long everything took, and the whole conversation with its tool calls. */
import { type ChatMessage, textOf } from "../../core/index.ts";
import type { Outcome } from "../outcome.ts";
import type { RolloutRecord, TurnEntry } from "../record.ts";
import { type Html, html } from "./html.ts";
import { milliseconds } from "./plots.ts";
import type { ReportRollout } from "./run-data.ts";

/** Characters of one message; what is longer is cut in the report, never in the files. */
const MOST_CHARS = 20_000;

export function rolloutBlock({ record, transcript }: ReportRollout): Html {
  const { outcome, timings, usage } = record;
  const facts = [
    `${record.turns_used} ${record.turns_used === 1 ? "turn" : "turns"}`,
    record.stop_reason ?? "no agent ran",
    milliseconds(timings.total_ms),
    `model ${milliseconds(timings.model_ms)}`,
    `tools ${milliseconds(timings.tool_ms)}`,
    `${usage.prompt_tokens} + ${usage.completion_tokens} tokens`,
    ...(record.tries > 1 ? [`try ${record.tries}`] : []),
    `seed ${record.seed}`,
  ];
  return html`<details class="rollout"><summary>${badge(outcome)}<span class="id">${record.rollout_id}</span><span class="facts">${facts.join(" · ")}</span></summary>
${outcomeDetails(outcome)}${toolErrors(record)}${
  transcript
    ? html`<div class="chat">${messages(transcript.messages, transcript.turns)}</div>`
    : html`<p class="muted">The conversation is not in this report, because the report is limited in size; it is in the run directory.</p>`
}</details>`;
}

/** A score, or why there is none. */
export function badge(outcome: Outcome): Html {
  if (outcome.kind === "scored") {
    const level = outcome.reward >= 1 ? "good" : outcome.reward > 0 ? "some" : "none";
    const text = Number.isInteger(outcome.reward) ? String(outcome.reward) : outcome.reward.toFixed(3);
    return html`<span class="badge ${level}" title="reward">${text}</span>`;
  }
  const reason = outcome.kind === "aborted" ? outcome.error.code : outcome.reason;
  return html`<span class="badge error" title="${outcome.kind}">${reason}</span>`;
}

function outcomeDetails(outcome: Outcome): Html {
  if (outcome.kind !== "scored") {
    const { error } = outcome;
    return html`<p class="problem"><b>${outcome.kind}</b>${error ? html`: ${error.message} <span class="muted">(${error.code}, fault: ${error.fault})</span>` : html`: ${outcome.kind === "unscored" ? outcome.reason : ""}`}</p>`;
  }
  const parts = Object.entries(outcome.components ?? {}).map(([name, value]) => `${name} ${value}`);
  if (outcome.turn_rewards) parts.push(`by turn: ${outcome.turn_rewards.join(", ")}`);
  if (outcome.flags?.length) parts.push(`flags: ${outcome.flags.join(", ")}`);
  return parts.length > 0 ? html`<p class="muted">${parts.join(" · ")}</p>` : html``;
}

function toolErrors({ tool_errors }: RolloutRecord): Html {
  if (tool_errors.length === 0) return html``;
  return html`<ul class="tool-errors">${tool_errors.map(
    (error) => html`<li>turn ${error.turn}: <code>${error.tool_name || "?"}</code> ${cut(error.error, 300)}</li>`,
  )}</ul>`;
}

function messages(list: readonly ChatMessage[], turns: readonly TurnEntry[]): Html[] {
  let answer = 0;
  let call = 0;
  let turn: TurnEntry | undefined;
  return list.map((message) => {
    if (message.role === "assistant") {
      turn = turns[answer++];
      call = 0;
      return assistant(message, turn);
    }
    if (message.role === "tool") {
      const timing = turn?.tools[call++];
      const note = timing ? milliseconds(timing.ms) : "";
      return block(
        "tool",
        message.name ? `result of ${message.name}` : "result",
        note,
        html`${pre(textOf(message.content))}`,
      );
    }
    return block(message.role, message.role, "", html`${pre(textOf(message.content))}`);
  });
}

function assistant(message: ChatMessage, turn: TurnEntry | undefined): Html {
  const note = turn
    ? `${milliseconds(turn.model_ms)} · ${turn.usage.completion_tokens} tokens · ${turn.finish_reason}`
    : "";
  const thinking = message.reasoning_content
    ? html`<details class="thinking"><summary>reasoning</summary>${pre(message.reasoning_content)}</details>`
    : html``;
  const text = textOf(message.content);
  const calls = (message.tool_calls ?? []).map(
    ({ function: called }) =>
      html`<div class="call"><span class="name">${called.name || "(no name)"}</span>${pre(pretty(called.arguments))}</div>`,
  );
  return block("assistant", "assistant", note, html`${thinking}${text ? pre(text) : ""}${calls}`);
}

function block(role: string, title: string, note: string, content: Html): Html {
  return html`<section class="message ${role}"><header>${title}<span class="muted">${note}</span></header>${content}</section>`;
}

function pre(text: string): Html {
  const shown = cut(text, MOST_CHARS);
  const rest = text.length - MOST_CHARS;
  return html`<pre>${shown}</pre>${rest > 0 ? html`<p class="muted">${rest} more characters are in the run directory.</p>` : ""}`;
}

function cut(text: string, most: number): string {
  return text.length > most ? text.slice(0, most) : text;
}

/** Arguments one field a line, where they are JSON. */
function pretty(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return text;
    return Object.entries(value)
      .map(([name, field]) => `${name}: ${typeof field === "string" ? field : JSON.stringify(field)}`)
      .join("\n");
  } catch {
    // Shown as the model wrote it.
    return text;
  }
}
