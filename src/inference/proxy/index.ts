/** The session proxy: lets any agent program be the policy's harness, with its calls captured token-exactly. */
export type { BudgetName, SessionBudgets } from "./budget.ts";
export type { CapturedCall, ProxySession } from "./proxy-session.ts";
export type { SessionRequest } from "./session-request.ts";
export { type CreateSession, type OpenedSession, type ProxyOptions, type SessionProxy, startProxy } from "./start.ts";
