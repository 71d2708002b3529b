/** The OnePiao API for programs (docs/client.md). Needs `fetch` and Web Crypto, and no package. */
export type { Api } from "./api.ts";
export type { BatchInvoice, BatchRequest, BatchResult } from "./batch.ts";
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
export { type Event, type FollowRequest, PositionError, type StreamState } from "./follow.ts";
export { cursors, type Paged } from "./pages.ts";
export {
  type AnyReply,
  NoAnswerError,
  type Problem,
  ProblemError,
  type Retry,
  refusalOf,
  StillOpenError,
  type Violation,
} from "./problems.ts";
export type { Sender } from "./send.ts";
export { type Delivery, verifyWebhook, WebhookError } from "./webhooks.ts";
export { type AnyRequest, newKey, type Patience } from "./wire.ts";
