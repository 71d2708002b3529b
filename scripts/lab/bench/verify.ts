/**
 * The cost of public verification under attack: the CPU time of the worst known inputs, and the
 * share of a core that one address uses at its rate limit. It measures CPU time and not the clock,
 * so that other work on the machine does not change the result.
 */
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { formats } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeAll } from "@onepiao/protocol/formats/write.ts";
import { compactSignature, digest } from "@onepiao/protocol/ledger/messages.ts";
import { leafHash } from "@onepiao/protocol/ledger/tree.ts";
import { bundleFormat, ledgerDomain } from "@onepiao/protocol/proofs/bundle.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import { SigningKey } from "ethers";
import { table } from "../../../sandbox/table.ts";
import { type Checks, createChecks } from "../../../server/features/proof/checker.ts";
import { moreRequests } from "../../../server/http/limits.ts";
import { readConfig } from "../../../server/kernel/config.ts";
import { cpuOf } from "./processes.ts";

const ROUNDS = 10;
const LINES = 2_000;
const NUMBER = "26442000000000000001";

type Input = {
  name: string;
  bytes: Uint8Array;
  packed?: true;
  run(checks: Checks, bytes: Uint8Array): Promise<unknown>;
};
/** `share`: of a core, when one address sends as many as it may. */
export type Cost = {
  name: string;
  bytes: number;
  milliseconds: number;
  aMinute: number;
  share: number;
};

const sample = (name: string) =>
  readFileSync(new URL(`../../../samples/${name}`, import.meta.url), "utf8");

/** An invoice of so many lines that holds. */
function documentOf(lines: number) {
  const { document } = readInvoice(
    "application/json",
    Buffer.from(sample("json/01-restaurant.json")),
  );
  const [line] = document.lines;
  if (!line) throw new Error("the sample has a line");
  const cents = (text: string | undefined) =>
    BigInt((text ?? "0.00").replace(".", "")) * BigInt(lines);
  const money = (amount: bigint) =>
    `${amount / 100n}.${(amount % 100n).toString().padStart(2, "0")}`;
  const [net, tax] = [cents(line.amount), cents(line.tax)];
  const { inWords: _, ...totals } = document.totals;
  return {
    ...document,
    lines: Array.from({ length: lines }, () => line),
    totals: { ...totals, net: money(net), tax: money(tax), gross: money(net + tax) },
  };
}

/**
 * A bundle that anybody can make: sealed with the attacker's own key, so that the check runs every
 * step.
 */
function bundleOf(document: ReturnType<typeof documentOf>): unknown {
  const seed = new Uint8Array(32).fill(7);
  const account = `0x${"11".repeat(20)}`;
  const leaf = { content: contentHash(seed, document), holder: account, buyer: 0 };
  const lot = {
    first: NUMBER,
    count: 1,
    issuer: 1,
    time: 1_800_000_000,
    root: leafHash(leaf),
    segment: NUMBER,
  };
  const network = { name: "anybody", chainId: 1, registry: account, ledger: account };
  const { time: _, ...value } = lot;
  const signed = new SigningKey(`0x${"42".repeat(32)}`).sign(
    digest(ledgerDomain({ network }), { type: "Seal", value }),
  );
  const seal = compactSignature(signed.serialized);
  return {
    format: bundleFormat,
    network,
    number: NUMBER,
    ...disclose(seed, document),
    leaf,
    lot,
    path: [],
    seal,
    parties: [],
  };
}

const stream = (json: Buffer) => {
  const packed = deflateSync(json);
  const head = `1 0 obj<</Type /EmbeddedFile /Filter /FlateDecode /Length ${packed.length}>>stream\n`;
  return Buffer.concat([Buffer.from(head), packed, Buffer.from("\nendstream endobj\n")]);
};

function inputs(): Input[] {
  const document = documentOf(LINES);
  const bundle = bundleOf(document) as { parts: Record<string, { value?: unknown }> };
  const wrong = structuredClone(bundle);
  const lines = wrong.parts["lines"];
  if (lines)
    lines.value = Array.from({ length: LINES }, () =>
      Object.fromEntries(Array.from({ length: 28 }, (_, at) => [`m${at}`, 0])),
    );
  const [written] = writeAll(document, { number: NUMBER });
  if (!written) throw new Error("the sample can be written");
  const many = sample("ubl/01-two-rates.xml").replace(
    /<cac:InvoiceLine>[\s\S]*?<\/cac:InvoiceLine>/,
    (line) => line.repeat(LINES - 1),
  );
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const xml = (name: string, text: string): Input => ({
    name,
    bytes: Buffer.from(text),
    run: (checks, bytes) => checks.run("xml", "application/xml", bytes),
  });
  const asBundle = (name: string, bytes: Uint8Array): Input => ({
    name,
    bytes,
    run: (checks, input) => checks.run("bundle", input),
  });
  const asPdf = (name: string, attached: unknown, times: number): Input => ({
    name,
    bytes: Buffer.concat([
      Buffer.from("%PDF-1.7\n"),
      ...Array.from({ length: times }, () => stream(json(attached))),
    ]),
    packed: true,
    run: (checks, bytes) => checks.run("pdf", bytes),
  });
  return [
    xml("XML of 119,000 empty elements", `<EInvoice>${"<a/>".repeat(119_000)}</EInvoice>`),
    xml(
      "XML of 60,000 elements, a namespace each",
      `<EInvoice>${"<a xmlns='u'/>".repeat(60_000)}</EInvoice>`,
    ),
    xml(
      "XML of 95,000 attributes",
      `<EInvoice>${`<a ${Array.from({ length: 1_900 }, (_, at) => `a${at}="1"`).join(" ")}/>`.repeat(50)}</EInvoice>`,
    ),
    xml("XML of 85,000 CDATA sections", `<EInvoice>${"<![CDATA[]]>".repeat(85_000)}</EInvoice>`),
    xml("XML of 200,000 references", `<EInvoice>${"&amp;".repeat(200_000)}</EInvoice>`),
    xml(`UBL of ${LINES} lines`, many),
    {
      name: `${formats[written.format].title.en} of ${LINES} lines, compared`,
      bytes: Buffer.from(written.text),
      async run(checks, bytes) {
        await checks.run("xml", "application/xml", bytes);
        return checks.run("written", written.format, document, { number: NUMBER });
      },
    },
    asBundle(
      "JSON of 90,000 unknown members",
      Buffer.from(`{${Array.from({ length: 90_000 }, (_, at) => `"m${at}":0`).join()}}`),
    ),
    asBundle(
      "JSON of 58,000 unknown members",
      Buffer.from(`{${Array.from({ length: 58_000 }, (_, at) => `"m${at}":0`).join()}}`),
    ),
    asBundle(`a bundle of ${LINES} lines that holds`, json(bundle)),
    asBundle(`a bundle of ${LINES} lines nobody knows`, json(wrong)),
    asPdf(`a PDF with ${LINES} lines, eight times`, bundle, 8),
    asPdf(`a PDF with ${LINES} lines nobody knows`, wrong, 1),
    {
      name: "a QR code of a megabyte",
      bytes: Buffer.alloc(1_000_000, 65),
      run: (checks, bytes) => checks.run("code", bytes),
    },
  ];
}

/** Milliseconds of CPU, of this process and its worker. */
const cpu = () => cpuOf(process.pid) * 1_000;

export async function measureVerification(): Promise<Cost[]> {
  const { PUBLIC_RATE_PER_MINUTE: rate } = readConfig({
    RPC_URL: "http://x",
    DATABASE_URL: "postgres://x",
    MASTER_KEY: "0".repeat(64),
    DEPLOYMENT: "x",
  });
  const checks = createChecks({ processes: 1 });
  try {
    const costs: Cost[] = [];
    for (const { name, bytes, packed, run } of inputs()) {
      // only the cost counts, whether the check accepts or refuses the input
      const once = () => run(checks, bytes).catch(() => undefined);
      for (let warm = 0; warm < 3; warm++) await once();
      const begun = cpu();
      for (let round = 0; round < ROUNDS; round++) await once();
      const milliseconds = (cpu() - begun) / ROUNDS;
      const aMinute = Math.floor(
        rate / (1 + moreRequests(bytes.length, packed ? "application/pdf" : "")),
      );
      costs.push({
        name,
        bytes: bytes.length,
        milliseconds,
        aMinute,
        share: (milliseconds * aMinute) / 60_000,
      });
    }
    return costs;
  } finally {
    await checks.close();
  }
}

export const verificationTable = (costs: readonly Cost[]): string =>
  table(
    ["input", "kB", "CPU ms", "a minute", "of a core"],
    costs.map(({ name, bytes, milliseconds, aMinute, share }) => [
      name,
      (bytes / 1_024).toFixed(0),
      milliseconds.toFixed(1),
      String(aMinute),
      share.toFixed(3),
    ]),
    [1, 2, 3, 4],
  );
