/**
 * The routes and the codes of problems, as types. This file leaves nothing behind at run time; in
 * the packed client a copy of the types stands in its place (scripts/client.ts).
 */
export type { Code } from "@onepiao/protocol/values/problems.ts";
export type { Api } from "../../server/api/api.ts";
