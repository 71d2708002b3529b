/**
 * The acts in the calldata of `InvoiceLedger.act`, by the digests that their parties signed.
 *
 * The sender of a transaction chooses its calldata, so this file reads it at the offsets where the
 * contract itself reads: without copying, without steps that a length in the calldata dictates, and
 * within bounds. It ignores evidence. It makes at most MAX_ACTS × MAX_INVOICES hashes, in slices.
 *
 * Owns: the layout of an act in calldata. Does not own: the meaning of an act
 * (protocol/ledger/acts.ts), and the types behind the digests (messages.ts).
 */

import { type ActKind, actKinds } from "@onepiao/protocol/ledger/acts.ts";
import {
  type CompactSignature,
  checksummed,
  type Domain,
  digestOf,
  HALF_ORDER,
  layoutOf,
} from "@onepiao/protocol/ledger/messages.ts";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { fromHex, hashBytes, toHex } from "@onepiao/protocol/values/bytes.ts";
import { recover } from "tiny-secp256k1";
import { createSlices } from "../kernel/slices.ts";
import { ACT_SELECTOR } from "./contracts.ts";

/** What a party has signed, and only that. */
export type SignedAct = {
  kind: ActKind;
  /** The receiver of a transfer, the holder of an admitted invoice. */
  to?: string;
  /** The index of the employer or the issuer, if the kind has one. */
  taxpayer?: number;
  invoices: { id: string; version: number }[];
  /** The signatures that came with the act, each once. Not checked: any of them may be junk. */
  signatures: CompactSignature[];
};

/**
 * The most bytes of calldata that are read; nodes accept 128 KiB by default, and a hundred acts of
 * a hundred invoices are 666 KB.
 */
export const MAX_CALLDATA = 1 << 20;
/** The ledger accepts no more of either. */
const MAX_ACTS = 100;
const MAX_INVOICES = 100;

const WORD = 32;
/**
 * Words of an act: kind, to, taxpayer, ref, offset of invoices, offset of evidence, signature (2),
 * consent (2).
 */
const ACT_WORDS = 10;
/** Words of an invoice in an act: id, version. */
const INVOICE_WORDS = 2;

const within = (bytes: Buffer, at: number, words: number) =>
  at >= 0 && at + words * WORD <= bytes.length;
const word = (bytes: Buffer, at: number) => bytes.subarray(at, at + WORD);
const numberIn = (bytes: Buffer, at: number) => BigInt(`0x${bytes.toString("hex", at, at + WORD)}`);

/**
 * The position that the word at `at` points to, counted from `base`; undefined: outside the
 * calldata. Offsets are signed, as in the contract's decoder.
 */
function target(bytes: Buffer, at: number, base: number): number | undefined {
  const to = BigInt(base) + BigInt.asIntN(256, numberIn(bytes, at));
  return to >= 0n && to + BigInt(WORD) <= BigInt(bytes.length) ? Number(to) : undefined;
}

/**
 * The array whose length is at `at`: its start and its length; undefined: more than `most`, or
 * outside the calldata.
 */
function array(
  bytes: Buffer,
  at: number | undefined,
  words: number,
  most: number,
): { from: number; count: number } | undefined {
  if (at === undefined) return undefined;
  const length = numberIn(bytes, at);
  const from = at + WORD;
  return length <= BigInt(most) && within(bytes, from, Number(length) * words)
    ? { from, count: Number(length) }
    : undefined;
}

/** The act at `at` with its digest; undefined if it has no digest that an event could name. */
function actAt(
  bytes: Buffer,
  at: number,
  domain: Domain,
): { digest: string; kind: ActKind; invoices: { from: number; count: number } } | undefined {
  if (!within(bytes, at, ACT_WORDS)) return undefined;
  // numbers narrower than a word: the contract reverts if the word holds more than fits
  const kind = actKinds[bytes[at + WORD - 1] as number];
  const invoices = array(bytes, target(bytes, at + 4 * WORD, at), INVOICE_WORDS, MAX_INVOICES);
  if (kind === undefined || invoices === undefined || invoices.count === 0) return undefined;
  const { typeHash, fields, invoiceTypeHash } = layoutOf(kind);
  const hashes = Buffer.alloc(invoices.count * WORD);
  const scratch = Buffer.concat([fromHex(invoiceTypeHash), Buffer.alloc(INVOICE_WORDS * WORD)]);
  for (let i = 0; i < invoices.count; i++) {
    const id = invoices.from + i * INVOICE_WORDS * WORD;
    bytes.copy(scratch, WORD, id, id + WORD);
    // the version's own two bytes
    bytes.copy(scratch, 3 * WORD - 2, id + 2 * WORD - 2, id + 2 * WORD);
    hashes.set(hashBytes(scratch), i * WORD);
  }
  const values = fields.map((field) =>
    padded(field === "address" ? toIn(bytes, at) : taxpayerIn(bytes, at)),
  );
  const parts = [fromHex(typeHash), ...values, word(bytes, at + 3 * WORD), hashBytes(hashes)];
  return { digest: digestOf(domain, keccak(Buffer.concat(parts))), kind, invoices };
}

const toIn = (bytes: Buffer, act: number) => bytes.subarray(act + WORD + 12, act + 2 * WORD);
const taxpayerIn = (bytes: Buffer, act: number) =>
  bytes.subarray(act + 2 * WORD + 28, act + 3 * WORD);
const padded = (bytes: Buffer) => Buffer.concat([Buffer.alloc(WORD - bytes.length), bytes]);

function* invoicesIn(
  bytes: Buffer,
  { from, count }: { from: number; count: number },
): Generator<{ id: string; version: number }> {
  for (let i = 0; i < count; i++) {
    const at = from + i * INVOICE_WORDS * WORD;
    yield { id: numberIn(bytes, at).toString(), version: bytes.readUInt16BE(at + 2 * WORD - 2) };
  }
}

const signatureAt = (bytes: Buffer, at: number): CompactSignature => ({
  r: toHex(word(bytes, at)),
  vs: toHex(word(bytes, at + WORD)),
});

/**
 * The acts in the calldata (0x-hex, of a transaction to the ledger) whose digests are in `digests`.
 * Never throws: an act that cannot be read is left out, and so is everything if the calldata has
 * more than MAX_CALLDATA bytes or calls another function.
 */
export async function actsIn(
  calldata: string,
  domain: Domain,
  digests: ReadonlySet<string>,
): Promise<Map<string, SignedAct>> {
  const byDigest = new Map<string, SignedAct>();
  if (
    calldata.slice(0, 10).toLowerCase() !== ACT_SELECTOR ||
    calldata.length > 2 + 2 * MAX_CALLDATA
  )
    return byDigest;
  const bytes = Buffer.from(calldata.slice(10), "hex");
  const acts = within(bytes, 0, 1) ? array(bytes, target(bytes, 0, 0), 1, MAX_ACTS) : undefined;
  const pauseIfDue = createSlices();
  for (let i = 0; i < (acts?.count ?? 0); i++) {
    await pauseIfDue();
    const { from } = acts as { from: number };
    const at = target(bytes, from + i * WORD, from);
    const act = at === undefined ? undefined : actAt(bytes, at, domain);
    if (at === undefined || act === undefined || !digests.has(act.digest)) continue;
    const signature = signatureAt(bytes, at + 6 * WORD);
    const known = byDigest.get(act.digest);
    if (known?.signatures.some(({ r, vs }) => r === signature.r && vs === signature.vs)) continue;
    if (known) known.signatures.push(signature);
    else {
      const { fields } = layoutOf(act.kind);
      byDigest.set(act.digest, {
        kind: act.kind,
        ...(fields.includes("address") ? { to: checksummed(toHex(toIn(bytes, at))) } : {}),
        ...(fields.includes("uint32") ? { taxpayer: taxpayerIn(bytes, at).readUInt32BE() } : {}),
        invoices: [...invoicesIn(bytes, act.invoices)],
        signatures: [signature],
      });
    }
  }
  return byDigest;
}

/**
 * The address whose key signed this digest, by the contract's rules; undefined if the signature is
 * invalid.
 */
export function signerOf(digest: string, { r, vs }: CompactSignature): string | undefined {
  const bits = BigInt(vs);
  const s = BigInt.asUintN(255, bits);
  if (s > HALF_ORDER) return undefined;
  try {
    const signature = Buffer.from(`${r.slice(2)}${s.toString(16).padStart(64, "0")}`, "hex");
    const point = recover(
      Buffer.from(digest.slice(2), "hex"),
      signature,
      bits >> 255n === 1n ? 1 : 0,
      false,
    );
    return point === null ? undefined : checksummed(`0x${keccak(point.subarray(1)).slice(-40)}`);
  } catch {
    // r or s is out of range
    return undefined;
  }
}
