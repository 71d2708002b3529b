/**
 * The tests' views other than HTTP: the sandbox's database, the ledger and the registry on its
 * chain, and problem details. No function here changes anything or waits for a fixed time.
 */

import { type Code, catalogue } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { Interface } from "ethers";
import { type ChainClient, createChainClient } from "../../server/chain/client.ts";
import { createContracts } from "../../server/chain/contracts.ts";
import { openDb, type Sql } from "../../server/db/db.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";
import { call, closeAtEnd, type Loose, type Reply, sandbox, type TestParty } from "./network.ts";

let sql: Sql | undefined;
let client: ChainClient | undefined;

/** The sandbox's own database. */
export async function database(): Promise<Sql> {
  const { databaseUrl } = await sandbox();
  if (!sql) {
    const opened = openDb(databaseUrl, { connections: 3 });
    sql = opened;
    closeAtEnd(() => opened.end({ timeout: 2 }));
  }
  return sql;
}

export async function chain(): Promise<ChainClient> {
  const { rpcUrl, deployment } = await sandbox();
  if (!client) {
    const opened = createChainClient(rpcUrl, deployment.chainId);
    client = opened;
    closeAtEnd(() => opened.close());
  }
  return client;
}

const states = ["untouched", "issued", "claimed", "reimbursed", "reversed"] as const;
export type OnChain = {
  holder: string;
  employer: number;
  state: (typeof states)[number];
  titled: boolean;
  version: number;
};

/** The ledger's record of an invoice; `untouched` until a party acts on it. */
export async function record(number: string): Promise<OnChain> {
  const { deployment } = await sandbox();
  const contracts = createContracts(deployment);
  const data = await (await chain()).call(
    deployment.ledger,
    contracts.ledgerCall("record", [number]),
  );
  const [entry] = contracts.ledgerResult("record", data) as unknown as [
    { holder: string; employer: bigint; state: bigint; titled: boolean; version: bigint },
  ];
  const { holder, employer, state, titled, version } = entry;
  return {
    holder,
    employer: Number(employer),
    state: states[Number(state)] ?? "untouched",
    titled,
    version: Number(version),
  };
}

const registry = new Interface(TaxpayerRegistry__factory.abi);

/** The registry's quota of a taxpayer in a period (yyyymm), in cents. */
export async function quotaOnChain(
  index: number,
  period: number,
): Promise<{ granted: bigint; drawn: bigint }> {
  const { deployment } = await sandbox();
  const data = await (await chain()).call(
    deployment.registry,
    registry.encodeFunctionData("quota", [index, period]),
  );
  const [{ granted, drawn }] = registry.decodeFunctionResult("quota", data) as unknown as [
    { granted: bigint; drawn: bigint },
  ];
  return { granted, drawn };
}

/** This month in China, in the API's form and in the chain's. */
export const month = (): string => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
export const period = (): number => Number(month().replace("-", ""));

/** Polls until `look` returns a value; fails with `label` after the deadline. */
export async function until<T>(
  label: string,
  look: () => Promise<T | undefined | false>,
  milliseconds = 60_000,
): Promise<T> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const result = await look();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > end) throw new Error(`It did not come about in ${milliseconds} ms: ${label}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const statusOf = async (number: string): Promise<string> =>
  (await call("GET", `/v1/invoices/${number}`)).body.status;
export const untilStatus = (number: string, status: string): Promise<true> =>
  until(`${number} is ${status}`, async () => (await statusOf(number)) === status);

/**
 * The reply is this refusal, in the form of RFC 9457, with the catalogue's status, and with this
 * violation if there is one.
 */
export function refused(
  reply: Reply,
  code: Code,
  violation?: { field: string; rule: string },
): Record<string, Loose> {
  const { status, body, headers } = reply;
  expect(body.code, JSON.stringify(body)).equals(code);
  expect(headers.get("content-type")).matches(/^application\/problem\+json/);
  expect(status).equals(catalogue[code].status);
  expect(body).deep.includes({
    status,
    title: catalogue[code].title,
    retry: catalogue[code].retry,
    type: `/problems/${code}`,
  });
  expect(body.detail).a("string").and.not.empty;
  expect(body.requestId).equals(headers.get("x-request-id"));
  if (violation)
    expect(
      body.errors.map(({ field, rule }: { field: string; rule: string }) => ({ field, rule })),
    ).deep.includes(violation);
  return body;
}

/** The number of rows in each table that an accepted invoice writes to. */
export async function traces(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of [
    "invoices",
    "operations",
    "operation_invoices",
    "idempotency",
    "segment_use_now",
    "quota_use",
    "sealings",
    "parties",
    "keystore",
    "claims",
    "transfers",
  ]) {
    const [row] = await (await database()).unsafe<{ n: number }[]>(
      `select count(*)::int as n from ${table}`,
    );
    counts[table] = row?.n ?? -1;
  }
  const [used] = await (await database())<
    { n: string }[]
  >`select coalesce(sum(accepted), 0)::text as n from segment_use_now`;
  counts["accepted"] = Number(used?.n);
  return counts;
}

/** The API's quota of an issuer in this month, in yuan. */
export async function quota(
  issuer: TestParty,
): Promise<{ granted: string; drawn: string; used: string; left: string }> {
  return (await call("GET", `/v1/taxpayers/${issuer.taxId}/quota`)).body;
}
