/** The OnePiao API for programs (docs/client.md). Needs `fetch` and Web Crypto, and no package. */
export type { Api } from "./api.ts";
export {
  type Call,
  type Calls,
  type Client,
  type ClientOptions,
  createClient,
  type Outcomes,
  type Replies,
  type RepliesOf,
  type Reply,
  type RequestOf,
  type Requests,
  type RequestsOf,
} from "./client.ts";
export { cursors, type Paged } from "./pages.ts";
export {
  type AnyReply,
  NoAnswerError,
  type Problem,
  ProblemError,
  type Retry,
  StillOpenError,
  type Violation,
} from "./problems.ts";
export { type AnyRequest, newKey, type Patience, type Sender } from "./send.ts";
export { type Delivery, verifyWebhook, WebhookError } from "./webhooks.ts";
