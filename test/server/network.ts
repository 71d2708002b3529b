/**
 * A real network for the tests: one sandbox (chain, PostgreSQL, contracts, gateway) for all files
 * of a run, and helpers to act as a party. Files do not disturb one another: each enrols its own
 * parties.
 */
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { type Api, type Client, createClient } from "../../clients/typescript/index.ts";
import { type Sandbox, startSandbox } from "../../sandbox/sandbox.ts";

let started: Promise<Sandbox> | undefined;
/** Other resources that were opened on the sandbox, to be closed before it stops. */
const opened: (() => Promise<void> | void)[] = [];
export const closeAtEnd = (close: () => Promise<void> | void): void => void opened.push(close);

/** Time between blocks of the run's chain, in milliseconds. */
export const BLOCK_MS = 10;
/** The sandbox of this run; stopped when all tests are over. */
export function sandbox(): Promise<Sandbox> {
  // a test run has a single address, so its request limit is higher than a stranger's
  started ??= startSandbox({
    blockMs: BLOCK_MS,
    settings: {
      LOT_AGE_MS: "20",
      PUBLIC_RATE_PER_MINUTE: "100000",
      WEBHOOK_ALLOWED_NETWORKS: "127.0.0.0/8",
    },
  });
  return started;
}

after(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  await (await started)?.stop();
  started = undefined;
});

export type Loose = any;
export type Reply = { status: number; body: Loose; headers: Headers };
export type CallOptions = {
  token?: string;
  key?: string;
  wait?: number;
  type?: string;
  headers?: Record<string, string>;
};

/**
 * One request. A string body is sent unchanged, any other body as JSON. A POST gets a fresh
 * Idempotency-Key unless one is given.
 */
export async function call(
  method: string,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<Reply> {
  const { url, bureau } = await sandbox();
  return callAt(url, method, path, body, { token: bureau.token, ...options });
}

/** One try, with no validation: a test may send wrong input on purpose. */
export async function callAt(
  url: string,
  method: string,
  path: string,
  body: unknown,
  options: CallOptions,
): Promise<Reply> {
  const { token, key, wait = 20, type, headers } = options;
  const { send } = createClient({ url, patience: { tries: 1, timeoutMs: 120_000 } });
  const reply = await send(method, path, {
    body,
    token,
    wait,
    headers: { accept: "*/*", ...headers },
    ...(key === undefined ? {} : { key }),
    ...(type === undefined ? {} : { type }),
  });
  const { status, body: answer = "" } = reply;
  return {
    status,
    body: answer instanceof Uint8Array ? new TextDecoder().decode(answer) : answer,
    headers: reply.headers,
  };
}

/** Throws with the answer's text if a step that a test relies on fails. */
export async function must(reply: Promise<Reply>): Promise<Loose> {
  const { status, body } = await reply;
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body;
}

type Invoice = NonNullable<Api["POST /v1/invoices"]["body"]>;
type TaxpayerKey = Api["POST /v1/taxpayers"]["body"]["key"];
type PersonKey = Api["POST /v1/persons"]["body"]["key"];

/** The client of a party, or of the bureau, for the steps that a test relies on. */
export async function clientOf(party?: { token: string }): Promise<Client> {
  const { url, bureau } = await sandbox();
  return createClient({ url, token: (party ?? bureau).token });
}

const digits = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/** A tax id with a valid check digit (GB 32100-2015); each call returns a different id. */
let serial = Math.floor(Math.random() * 1_000_000);
export function freshTaxId(region = "4403"): string {
  serial += 1;
  const body = `91${region}00MA${serial.toString().padStart(7, "0")}`;
  const sum = [...body].reduce(
    (total, digit, i) => total + digits.indexOf(digit) * (3 ** i % 31),
    0,
  );
  return body + digits[(31 - (sum % 31)) % 31];
}

export type TestParty = {
  taxId: string;
  account: string;
  index: number;
  token: string;
  name: string;
};

/**
 * An enrolled taxpayer with an API key that manages its access; an issuer has quota and a segment.
 */
export async function taxpayer(
  name: string,
  capabilities: ("issuer" | "employer")[],
  more: { key?: unknown; quota?: string; segment?: number } = {},
): Promise<TestParty> {
  const taxId = freshTaxId();
  const client = await clientOf();
  const { body: made } = await client.done("POST /v1/taxpayers", {
    body: {
      name,
      taxId,
      capabilities,
      ...(more.key ? { key: more.key as TaxpayerKey } : {}),
    },
  });
  const { body: key } = await client.done("POST /v1/api-keys", {
    body: { account: made.account, roles: ["admin"] },
  });
  if (capabilities.includes("issuer")) {
    const params = { taxId };
    const period = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
    await Promise.all([
      client.done("PUT /v1/taxpayers/{taxId}/quota", {
        params,
        body: { period, granted: more.quota ?? "1000000.00" },
      }),
      client.done("POST /v1/taxpayers/{taxId}/segments", {
        params,
        body: { length: more.segment ?? 10_000 },
      }),
    ]);
  }
  return { taxId, account: made.account, index: made.index, token: key.token ?? "", name };
}

type Signer = {
  address: string;
  signTypedData(
    domain: object,
    types: Record<string, { name: string; type: string }[]>,
    value: object,
  ): Promise<string>;
};
/** The data that a person with its own key gives to the taxpayer that registers it. */
export async function ownKey(
  maker: { account: string },
  wallet: Signer,
): Promise<{ custody: "own"; address: string; proof: string }> {
  const { deployment } = await sandbox();
  const domain = {
    name: deployment.network,
    version: "1",
    chainId: deployment.chainId,
    verifyingContract: deployment.ledger,
  };
  const types = {
    Register: [
      { name: "account", type: "address" },
      { name: "maker", type: "address" },
    ],
  };
  const proof = await wallet.signTypedData(domain, types, {
    account: wallet.address,
    maker: maker.account,
  });
  return { custody: "own", address: wallet.address, proof };
}

/** A person made by a taxpayer, with an API key. */
export async function person(
  maker: TestParty,
  name: string,
  key?: unknown,
): Promise<{ account: string; token: string }> {
  const client = await clientOf(maker);
  const { body: made } = await client.done("POST /v1/persons", {
    body: { name, ...(key ? { key: key as PersonKey } : {}) },
  });
  const { account } = made;
  const { body: access } = await client.done("POST /v1/api-keys", {
    body: { account, roles: ["holder"] },
  });
  return { account, token: access.token ?? "" };
}

/**
 * Registers the account of this key, kept at another gateway, at the sandbox's gateway, so that an
 * invoice may be issued to it here.
 */
export async function shownHere(url: string, { token }: { token: string }): Promise<void> {
  const { body } = await createClient({ url, token })("GET /v1/account-proof");
  const { account, proof = "" } = body;
  await (await clientOf()).done("POST /v1/accounts", { body: { account, proof } });
}

/** A valid invoice of one line over 200.00 gross. */
export function invoiceOf(
  seller: { taxId: string; name: string },
  buyer: { taxId?: string; name: string },
  more: Record<string, unknown> = {},
) {
  return {
    kind: "ordinary",
    issuedAt: "2026-11-03T12:31:07+08:00",
    currency: "CNY",
    seller: { taxId: seller.taxId, name: seller.name },
    buyer: { ...(buyer.taxId ? { taxId: buyer.taxId } : {}), name: buyer.name },
    lines: [
      {
        name: "*餐饮服务*餐费",
        unit: "次",
        quantity: "1",
        unitPrice: "188.68",
        amount: "188.68",
        taxRate: "0.06",
        tax: "11.32",
      },
    ],
    totals: { net: "188.68", tax: "11.32", gross: "200.00" },
    ...more,
  };
}

/** Issues an invoice and waits until it is sealed; returns its number. */
export async function issued(
  seller: TestParty,
  buyer: { taxId?: string; name: string },
  more: Record<string, unknown> = {},
): Promise<string> {
  const client = await clientOf(seller);
  const body = invoiceOf(seller, buyer, more) as Invoice;
  return (await client.done("POST /v1/invoices", { body })).body.number;
}

/** The document that the gateway reads from these bytes. */
export const documentOf = (type: string, text: string) =>
  readInvoice(type, Buffer.from(text)).document;
