/** The routes as types. This import leaves nothing behind at run time; the packed client has a copy. */
export type { Api } from "../../server/api/api.ts";
