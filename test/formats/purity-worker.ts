/**
 * Thread of purity.ts: makes all outputs of every sample, in the order of `workerData`; posts name
 * and outcome of each.
 */
import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { leftOf, redLetterOf } from "@onepiao/protocol/formats/red-letter.ts";
import { tradeOf } from "@onepiao/protocol/formats/trade.ts";
import { writeAll } from "@onepiao/protocol/formats/write.ts";
import { digest } from "@onepiao/protocol/ledger/messages.ts";
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import { chineseFigures, parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { bloomOf } from "../../server/chain/bloom.ts";
import { writePdf } from "../../server/drawing/pdf.ts";
import { qrPng, qrSvg } from "../../server/drawing/qr-image.ts";
import { bad, good, type Sample } from "./samples.ts";

const number = "26442000000000000042";
const seed = Buffer.alloc(32, 7);
const account = `0x${"0a".repeat(20)}`;

/** Samples whose remarks are drawn with the same glyphs, and are other texts. */
function sharing(): Sample[] {
  const [first] = good("json") as [Sample];
  return ["阿卜杜·热合曼 finden 工人", "阿卜杜•热合曼 ﬁnden ⼯⼈", "阿卜杜・热合曼 Pﬂicht"].map(
    (remark) => {
      const text = JSON.stringify({ ...(JSON.parse(first.text) as object), remark });
      return { ...first, name: `${first.name} with ${remark}`, text, body: Buffer.from(text) };
    },
  );
}

/** The result of some work, or its refusal. */
function tried(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof Problem) return [error.code, error.message, error.violations];
    throw error;
  }
}

/** All outputs of a document. */
async function made(document: InvoiceDocument): Promise<Record<string, unknown>> {
  const content = contentHash(seed, document);
  const leaf = leafHash({ content, holder: account, buyer: document.lines.length });
  const tree = lotTree([leaf, leafHash({ content, holder: account, buyer: 0 })]);
  const domain = {
    name: "InvoiceLedger",
    version: "1" as const,
    chainId: document.lines.length,
    verifyingContract: account,
  };
  const text = `https://piao.example/verify#${number}${document.totals.gross}`;
  return {
    written: writeAll(document, { number }),
    pdf: createHash("sha256")
      .update(await writePdf(document, { number }, { qr: text, verifyAt: text, reversed: false }))
      .digest("hex"),
    picture: [await qrSvg(text), (await qrPng(text)).toString("base64")],
    words: chineseFigures(parseMoney(document.totals.gross)),
    trade: tradeOf(document),
    red: tried(() =>
      redLetterOf(
        { document, number },
        leftOf(document, []),
        { whole: true },
        new Date("2026-11-20T00:00:00Z"),
      ),
    ),
    shown: disclose(seed, document),
    tree: [tree.root, tree.proof(1)],
    signed: digest(domain, { type: "RotateKey", value: { account, key: account, counter: 1 } }),
    bloom: bloomOf([{ address: account, topics: [content] }]),
  };
}

/** All outputs of a sample, or its refusal, as one text. */
async function outcome({ mediaType, body }: Sample): Promise<string> {
  const read = tried(() => readInvoice(mediaType, body).document);
  return JSON.stringify(
    Array.isArray(read) ? read : [canonicalJson(read), await made(read as InvoiceDocument)],
  );
}

const samples = [...(["json", "shudian", "ubl"] as const).flatMap(good), ...bad(), ...sharing()];
const outcomes: [name: string, outcome: string][] = [];
for (const sample of workerData === "backwards" ? samples.toReversed() : samples)
  outcomes.push([sample.name, await outcome(sample)]);
parentPort?.postMessage(outcomes);
