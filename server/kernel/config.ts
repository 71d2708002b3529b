/**
 * Settings, from the environment and from files that it names; nothing else is read, and secrets
 * are never echoed.
 *
 * Production requires every setting; the sandbox supplies its own. Settings for the sandbox's
 * convenience are refused elsewhere.
 */
import { readFileSync } from "node:fs";
import ipaddr from "ipaddr.js";
import { z } from "zod";

const seconds = (d: number, max: number) => z.coerce.number().int().min(1).max(max).default(d);

/** Networks as `10.1.2.0/24,fd00:1::/64`; none so wide that the exception would cancel the rule. */
const networks = (text: string) =>
  text === "" ||
  text.split(",").every((part) => {
    if (!ipaddr.isValidCIDR(part.trim())) return false;
    const [address, bits] = ipaddr.parseCIDR(part.trim());
    return bits >= (address.kind() === "ipv4" ? 8 : 16);
  });

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "127.0.0.1" || host === "[::1]";

/** Enough for the largest lot and the largest act that the contracts accept (chain/capacity.ts). */
export const LEAST_TX = { bytes: 80_000, gas: 8_000_000n };

const schema = z.object({
  RPC_URL: z.url({ protocol: /^https?$/ }).describe("JSON-RPC of this operator's own node"),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//)
    .describe("PostgreSQL 18 or newer"),
  MASTER_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/i)
    .describe("32 bytes in hex; or MASTER_KEY_FILE"),
  DEPLOYMENT: z.string().describe("Path of deployments/<chainId>.json"),
  HOST: z.string().default("127.0.0.1"),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ""))
    .optional()
    .describe(
      "Where the gateway is reached from outside, for links in QR codes; without it: where it " +
        "listens",
    ),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  FINALITY_DEPTH: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000)
    .default(0)
    .describe("Blocks behind the head that count as final; 0 on QBFT"),
  LOT_SIZE: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_024)
    .default(500)
    .describe("A lot is closed when it holds so many invoices"),
  LOT_AGE_MS: z.coerce
    .number()
    .int()
    .min(1)
    .max(60_000)
    .default(200)
    .describe("… or when its first invoice is so old"),
  POLL_MS: z.coerce
    .number()
    .int()
    .min(10)
    .max(10_000)
    .default(250)
    .describe("How often the chain is asked for its head"),
  MAX_TX_BYTES: z.coerce
    .number()
    .int()
    .min(LEAST_TX.bytes)
    .max(1_000_000)
    .default(120_000)
    .describe("Size of one signed transaction; geth refuses 131,072"),
  MAX_TX_GAS: z.coerce
    .bigint()
    .min(LEAST_TX.gas)
    .max(1_000_000_000n)
    .default(16_000_000n)
    .describe(
      "Gas that one transaction asks for; Osaka's rules end at 16,777,216. No more than a " +
        "block of the chain has",
    ),
  ISSUE_AHEAD_MINUTES: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_440)
    .default(10)
    .describe("An invoice's time lies at most so many minutes ahead"),
  ISSUE_BACK_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3_660)
    .default(31)
    .describe("… and at most so many days back"),
  LANE_WINDOW: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .default(16)
    .describe("Transactions of one key in flight"),
  DRAW_STEP: z.coerce
    .bigint()
    .min(100n)
    .default(10_000_000n)
    .describe("Quota is drawn in multiples of this, in cents"),
  MAX_BODY_BYTES: z.coerce.number().int().min(1_024).max(16_777_216).default(1_048_576),
  RATE_PER_MINUTE: seconds(6_000, 1_000_000).describe("Requests of one API key"),
  PARTY_RATE_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe("Requests of all keys of one party; unset: three times RATE_PER_MINUTE"),
  PUBLIC_RATE_PER_MINUTE: seconds(120, 1_000_000).describe("Requests of one address without a key"),
  MAX_API_KEYS: z.coerce
    .number()
    .int()
    .min(2)
    .max(10_000)
    .default(200)
    .describe("API keys of one party that are not revoked"),
  MAX_ACCOUNTS: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .default(100_000)
    .describe("Accounts of elsewhere that one party brings by POST /v1/accounts"),
  MAX_PERSONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe("Persons that one party manages"),
  WAIT_MAX_SECONDS: seconds(30, 120).describe("Longest Prefer: wait"),
  MAX_HEAD_AGE: seconds(60, 86_400).describe(
    "Seconds without a new block after which /readyz says no",
  ),
  IDEMPOTENCY_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(90)
    .default(7)
    .describe("How long the answer to an Idempotency-Key is kept"),
  RECONCILE_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(90)
    .default(7)
    .describe("Everything stored is compared with the chain once in so many days"),
  RECONCILE_PER_SECOND: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(200)
    .describe("Invoices that the comparison takes on in a second, on average"),
  LEASE_MS: z.coerce
    .number()
    .int()
    .min(500)
    .max(60_000)
    .default(4_000)
    .describe(
      "Of several processes on one database another takes over so long after the one at work " +
        "was last heard of",
    ),
  DEPOSIT_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("The gateway that the bureau is at: documents of sealed lots are deposited there"),
  DEPOSIT_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/)
    .optional()
    .describe("An issuer's API key at that gateway"),
  DEPOSIT_KID: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .optional()
    .describe("Thumbprint of the bureau's key; with it no other one is encrypted to"),
  DIRECTORY_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      "The gateway that the bureau is at: its directory is searched, and buyers are enrolled there",
    ),
  DIRECTORY_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/)
    .optional()
    .describe("An issuer's API key at that gateway"),
  UNLISTED_BUYERS: z
    .enum(["refuse", "enrol"])
    .default("refuse")
    .describe(
      "At the bureau's gateway: what happens to an invoice titled to a tax id that is neither " +
        "enrolled nor in the directory; enrol: under the invoice's own words",
    ),
  BUYERS_PER_DAY: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(1_000)
    .describe("Buyers that the invoices of one party may cause to be enrolled in a day"),
  BUYER_WAIT_SECONDS: seconds(15, 60).describe(
    "How long an invoice waits until its buyer is enrolled; then it is to be sent again",
  ),
  AUDIT_PATIENCE_SECONDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(300)
    .describe("How long other gateways may take to deposit a sealed lot"),
  METRICS_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/)
    .optional()
    .describe("What /metrics asks for; without it there is no /metrics"),
  STOP_DELAY_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(120)
    .default(0)
    .describe("How long /readyz says no before a stopping process refuses connections"),
  STREAM_HEARTBEAT_MS: z.coerce
    .number()
    .int()
    .min(50)
    .max(60_000)
    .default(15_000)
    .describe("How often a quiet event stream shows that it is there"),
  WEBHOOK_ALLOWED_NETWORKS: z
    .string()
    .refine(networks, "networks as 10.1.2.0/24, separated by commas, at least /8 (IPv6: /16)")
    .default("")
    .describe(
      "Networks that webhooks may reach although they are not public, also over plain http: " +
        "receivers inside one's own",
    ),
  WEBHOOK_RETRY_SECONDS: z
    .string()
    .regex(/^[1-9]\d{0,6}(,[1-9]\d{0,6}){0,19}$/)
    .default("5,300,1800,7200,18000,36000,50400,72000,86400")
    .describe(
      "Seconds from each failed attempt at a webhook to the next; after the last it is disabled",
    ),
  OIDC_ISSUER: z
    .url({ protocol: /^https?$/ })
    .refine(
      (url) => url.startsWith("https:") || isLoopback(new URL(url).hostname),
      "https, but for this machine",
    )
    .optional()
    .describe(
      "Identity provider (OpenID Connect) that people may sign in at instead of with an API key",
    ),
  OIDC_CLIENT_ID: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe("The gateway's name there; its redirect URI is PUBLIC_URL/sign-in"),
  OIDC_CLIENT_SECRET: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .describe("The gateway's secret there; a public client has none"),
  OIDC_NAME: z
    .string()
    .min(1)
    .max(60)
    .default("SSO")
    .describe("What the sign-in page calls the provider"),
  OIDC_SCOPE: z
    .string()
    .regex(/^openid( [\x21-\x7e]+)*$/)
    .max(256)
    .default("openid email")
    .describe("What is asked of the provider"),
  OIDC_CLAIM: z
    .string()
    .regex(/^[\w.:/-]{1,128}$/)
    .default("email")
    .describe(
      "The claim that names a person; `email` counts only when the provider has verified it",
    ),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "silent"]).default("info"),
});

export type Config = z.output<typeof schema>;
export const settings = Object.entries(schema.shape).map(([name, type]) => ({
  name,
  description: type.description ?? "",
  type,
}));

/**
 * Reads the settings; throws one Error that names every setting that is missing or wrong, without
 * its value.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const values: Record<string, string | undefined> = {};
  for (const name of Object.keys(schema.shape)) {
    const file = env[`${name}_FILE`];
    values[name] =
      env[name] ?? (file === undefined ? undefined : readFileSync(file, "utf8").trim());
  }
  const parsed = schema
    .refine(
      ({ OIDC_ISSUER, OIDC_CLIENT_ID }) =>
        (OIDC_ISSUER === undefined) === (OIDC_CLIENT_ID === undefined),
      {
        path: ["OIDC_CLIENT_ID"],
        error: "OIDC_ISSUER and OIDC_CLIENT_ID are set both or neither",
      },
    )
    .refine(
      ({ DIRECTORY_URL, DIRECTORY_TOKEN }) =>
        (DIRECTORY_URL === undefined) === (DIRECTORY_TOKEN === undefined),
      {
        path: ["DIRECTORY_TOKEN"],
        error: "DIRECTORY_URL and DIRECTORY_TOKEN are set both or neither",
      },
    )
    .safeParse(values);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ code, path, message }) => {
    const isMissing = code !== "custom" && values[String(path[0])] === undefined;
    return `  ${path.join(".")}: ${isMissing ? "is not set" : message}`;
  });
  throw new Error(`The settings are not complete:\n${faults.join("\n")}`);
}
