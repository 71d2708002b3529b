/**
 * Settings, from the environment and from files it names; nothing else is read, and secrets are never echoed.
 *
 * Production asks for everything; the sandbox fills in its own. A setting that is a sandbox convenience is refused elsewhere.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";

const seconds = (d: number, max: number) => z.coerce.number().int().min(1).max(max).default(d);
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
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  FINALITY_DEPTH: z.coerce.number().int().min(0).max(1_000).default(0).describe("Blocks behind the head that count as final; 0 on QBFT"),
  LOT_SIZE: z.coerce.number().int().min(1).max(1_024).default(500).describe("A lot is closed when it holds so many invoices"),
  LOT_AGE_MS: z.coerce.number().int().min(1).max(60_000).default(200).describe("… or when its first invoice is so old"),
  POLL_MS: z.coerce.number().int().min(10).max(10_000).default(250).describe("How often the chain is asked for its head"),
  BLOCK_GAS_LIMIT: z.coerce.bigint().min(10_000_000n).default(30_000_000n).describe("Gas that one transaction of ours may ask for"),
  LANE_WINDOW: z.coerce.number().int().min(1).max(256).default(16).describe("Transactions of one key in flight"),
  DRAW_STEP: z.coerce.bigint().min(100n).default(10_000_000n).describe("Quota is drawn in multiples of this, in cents"),
  MAX_BODY_BYTES: z.coerce.number().int().min(1_024).max(16_777_216).default(1_048_576),
  RATE_PER_MINUTE: seconds(6_000, 1_000_000).describe("Requests of one API key"),
  PUBLIC_RATE_PER_MINUTE: seconds(120, 1_000_000).describe("Requests of one address without a key"),
  WAIT_MAX_SECONDS: seconds(30, 120).describe("Longest Prefer: wait"),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "silent"]).default("info"),
});

export type Config = z.output<typeof schema>;
export const settings = Object.entries(schema.shape).map(([name, type]) => ({ name, description: type.description ?? "", type }));

/** Reads the settings; throws one Error that names every setting that is missing or wrong, without its value. */
export function readConfig(env: Record<string, string | undefined>): Config {
  const given: Record<string, string | undefined> = {};
  for (const name of Object.keys(schema.shape)) {
    const file = env[`${name}_FILE`];
    given[name] = env[name] ?? (file === undefined ? undefined : readFileSync(file, "utf8").trim());
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((i) => `  ${i.path.join(".")}: ${given[String(i.path[0])] === undefined ? "is not set" : i.message}`);
  throw new Error(`The settings are not complete:\n${faults.join("\n")}`);
}
