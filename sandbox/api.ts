/**
 * What a sandbox's gateway answers beyond the API, as types: the console calls it. This file
 * imports nothing of the server, so the console's type check does not read the server.
 */
import type { Api } from "../clients/typescript/index.ts";

type Role = Api["GET /v1/session"]["answers"][200]["roles"][number];

/** `key`: an API key, for POST /v1/session. */
export type SandboxParty = {
  name: string;
  roles: readonly Role[];
  taxId?: string | undefined;
  key: string;
};

export interface SandboxApi {
  "GET /v1/sandbox/parties": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    item: never;
    answers: { 200: { items: readonly SandboxParty[] } };
  };
}
