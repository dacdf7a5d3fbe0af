/**
 * The table of toolsets: which tools a name stands for. It knows every name of the reference system, also of tools that
 * do not exist here, so that a configuration can be told "that tool is missing" instead of "unknown name".
 */
import { LachesisError, nearestName } from "../core/index.ts";
import type { ToolRegistry } from "./registry.ts";

interface Toolset {
  readonly tools: readonly string[];
  readonly includes: readonly string[];
}

const named = (prefix: string, names: string) => names.split(" ").map((name) => `${prefix}_${name}`);

const WEB = ["web_search", "web_extract"];
const TERMINAL = ["terminal", "process"];
const FILE = ["read_file", "write_file", "patch", "search_files"];
const SKILLS = ["skills_list", "skill_view", "skill_manage"];
const BROWSER = named("browser", "navigate snapshot click type scroll back press get_images vision console cdp dialog");
const HOMEASSISTANT = ["ha_list_entities", "ha_get_state", "ha_list_services", "ha_call_service"];
const KANBAN = named("kanban", "show list complete block heartbeat comment create link unblock");
const YUANBAO = named("yb", "query_group_info query_group_members send_dm search_sticker send_sticker");
const FEISHU_DRIVE = named("feishu_drive", "list_comments list_comment_replies reply_comment add_comment");
const RL = named(
  "rl",
  "list_environments select_environment get_current_config edit_config start_training check_status stop_training get_results list_runs test_inference",
);
const ACP = [
  ...WEB,
  ...TERMINAL,
  ...FILE,
  "vision_analyze",
  ...SKILLS,
  ...BROWSER,
  "todo",
  "memory",
  "session_search",
  "execute_code",
  "delegate_task",
];
/** What every messaging platform of the reference offers. */
const CORE = [
  ...ACP,
  "image_generate",
  "text_to_speech",
  "clarify",
  "cronjob",
  "send_message",
  ...HOMEASSISTANT,
  ...KANBAN,
  "computer_use",
];
const PLATFORMS = (
  "telegram discord whatsapp slack signal bluebubbles homeassistant email sms mattermost matrix dingtalk " +
  "feishu wecom wecom-callback weixin qqbot webhook yuanbao"
).split(" ");
const PLAIN_PLATFORMS = [
  "cli",
  "cron",
  ...PLATFORMS.filter((name) => !["discord", "feishu", "yuanbao"].includes(name)),
];

const of = (...tools: string[]): Toolset => ({ tools, includes: [] });

const TOOLSETS: ReadonlyMap<string, Toolset> = new Map<string, Toolset>([
  ["web", of(...WEB)],
  ["search", of("web_search")],
  ["vision", of("vision_analyze")],
  ["video", of("video_analyze")],
  ["image_gen", of("image_generate")],
  ["video_gen", of("video_generate")],
  ["computer_use", of("computer_use")],
  ["terminal", of(...TERMINAL)],
  ["moa", of("mixture_of_agents")],
  ["skills", of(...SKILLS)],
  ["browser", of(...BROWSER, "web_search")],
  ["cronjob", of("cronjob")],
  ["messaging", of("send_message")],
  ["rl", of(...RL)],
  ["file", of(...FILE)],
  ["tts", of("text_to_speech")],
  ["todo", of("todo")],
  ["memory", of("memory")],
  ["session_search", of("session_search")],
  ["clarify", of("clarify")],
  ["code_execution", of("execute_code")],
  ["delegation", of("delegate_task")],
  ["homeassistant", of(...HOMEASSISTANT)],
  ["kanban", of(...KANBAN)],
  ["discord", of("discord")],
  ["discord_admin", of("discord_admin")],
  ["yuanbao", of(...YUANBAO)],
  ["feishu_doc", of("feishu_doc_read")],
  ["feishu_drive", of(...FEISHU_DRIVE)],
  ["spotify", of(...named("spotify", "playback devices queue search playlists albums library"))],
  ["debugging", { tools: TERMINAL, includes: ["web", "file"] }],
  ["safe", { tools: [], includes: ["web", "vision", "image_gen"] }],
  ["hermes-acp", of(...ACP)],
  ["hermes-api-server", of(...ACP, "image_generate", "cronjob", ...HOMEASSISTANT)],
  ...PLAIN_PLATFORMS.map((name): [string, Toolset] => [`hermes-${name}`, of(...CORE)]),
  ["hermes-discord", of(...CORE, "discord", "discord_admin")],
  ["hermes-feishu", of(...CORE, "feishu_doc_read", ...FEISHU_DRIVE)],
  ["hermes-yuanbao", of(...CORE, ...YUANBAO)],
  ["hermes-gateway", { tools: [], includes: PLATFORMS.map((name) => `hermes-${name}`) }],
  // Names of older configurations.
  ["web_tools", of(...WEB)],
  ["terminal_tools", of("terminal")],
  ["vision_tools", of("vision_analyze")],
  ["moa_tools", of("mixture_of_agents")],
  ["image_tools", of("image_generate")],
  ["skills_tools", of(...SKILLS)],
  ["browser_tools", of(...BROWSER.filter((name) => !/_(cdp|dialog)$/.test(name)), "web_search")],
  ["cronjob_tools", of("cronjob")],
  ["rl_tools", of(...RL)],
  ["file_tools", of(...FILE)],
  ["tts_tools", of("text_to_speech")],
]);

const EVERYTHING: ReadonlySet<string> = new Set(["all", "*"]);

/** All toolset names: the table's and those that the registry's tools name. Sorted; `all` and `*` are not listed. */
export function toolsetNames(registry: ToolRegistry): string[] {
  return [...new Set([...TOOLSETS.keys(), ...registry.toolsets])].sort();
}

/**
 * The tool names that a toolset stands for, existing here or not, sorted and without doubles. Includes are followed;
 * cycles add nothing. Throws `config_invalid` with the nearest name when there is no such toolset.
 */
export function toolNamesOf(toolset: string, registry: ToolRegistry): string[] {
  const names = new Set<string>();
  const visited = new Set<string>();
  const visit = (name: string) => {
    if (visited.has(name)) return;
    visited.add(name);
    const entry = TOOLSETS.get(name);
    for (const tool of [...(entry?.tools ?? []), ...registry.namesIn(name)]) names.add(tool);
    for (const included of entry?.includes ?? []) visit(included);
  };
  if (EVERYTHING.has(toolset)) for (const name of toolsetNames(registry)) visit(name);
  else {
    checkToolset(toolset, registry);
    visit(toolset);
  }
  return [...names].sort();
}

function checkToolset(name: string, registry: ToolRegistry): void {
  const known = toolsetNames(registry);
  if (known.includes(name)) return;
  const near = nearestName(name, known);
  const tool = registry.has(name) ? ` '${name}' is a tool of the toolset '${registry.get(name).toolset}'.` : "";
  throw new LachesisError(
    "config_invalid",
    `There is no toolset '${name}'${near ? `; did you mean '${near}'?` : "."}${tool}`,
    { details: { toolset: name, nearest: near ?? null } },
  );
}
