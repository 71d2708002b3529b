/**
 * The acts that the calldata of `InvoiceLedger.act` carries, by the digests that their parties
 * signed.
 *
 * Whoever sends a transaction chooses its calldata, so it is read by offsets, where the contract
 * itself reads: no copy of what it says, no step that follows from a length in it, and within
 * bounds. Evidence is not looked at. At most MAX_ACTS × MAX_INVOICES hashes are made, in slices.
 *
 * Owns: the layout of an act in calldata. Does not own: what an act means
 * (protocol/ledger/acts.ts), and the digests' types (messages.ts).
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

/** What a party has signed, and nothing that it has not. */
export type SignedAct = {
  kind: ActKind;
  /** Receiver of a transfer, holder of what is admitted. */
  to?: string;
  /** Index of the employer or the issuer, where the kind has one. */
  taxpayer?: number;
  invoices: { id: string; version: number }[];
  /** Those that came with it, each once. Not looked at: any of them may be junk. */
  signatures: CompactSignature[];
};

/**
 * Bytes of calldata that are looked into; nodes take 128 KiB by default, and a hundred acts of a
 * hundred invoices are 666 KB.
 */
export const MAX_CALLDATA = 1 << 20;
/** The ledger takes no more of either. */
const MAX_ACTS = 100;
const MAX_INVOICES = 100;

const WORD = 32;
/**
 * Words of an act: kind, to, taxpayer, ref, where invoices are, where evidence is, signature (2),
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
 * Where the word at `at` leads, counted from `base`; undefined: out of the calldata. Offsets are
 * signed, as in the contract's decoder.
 */
function target(bytes: Buffer, at: number, base: number): number | undefined {
  const to = BigInt(base) + BigInt.asIntN(256, numberIn(bytes, at));
  return to >= 0n && to + BigInt(WORD) <= BigInt(bytes.length) ? Number(to) : undefined;
}

/**
 * The array whose length stands at `at`: where it begins, and how many; undefined: more than
 * `most`, or out of the calldata.
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

/** The act at `at` with its digest; undefined: it has none that an event could name. */
function actAt(
  bytes: Buffer,
  at: number,
  domain: Domain,
): { digest: string; kind: ActKind; invoices: { from: number; count: number } } | undefined {
  if (!within(bytes, at, ACT_WORDS)) return undefined;
  // numbers narrower than a word: the contract reverts when there is more in it than fits
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
 * Those acts of the calldata (0x-hex, of a transaction to the ledger) whose digests are wanted.
 * Never throws: what cannot be read is not there, as nothing of it is when it has more than
 * MAX_CALLDATA bytes or is of another function.
 */
export async function actsIn(
  calldata: string,
  domain: Domain,
  wanted: ReadonlySet<string>,
): Promise<Map<string, SignedAct>> {
  const found = new Map<string, SignedAct>();
  if (
    calldata.slice(0, 10).toLowerCase() !== ACT_SELECTOR ||
    calldata.length > 2 + 2 * MAX_CALLDATA
  )
    return found;
  const bytes = Buffer.from(calldata.slice(10), "hex");
  const acts = within(bytes, 0, 1) ? array(bytes, target(bytes, 0, 0), 1, MAX_ACTS) : undefined;
  const breathe = createSlices();
  for (let i = 0; i < (acts?.count ?? 0); i++) {
    await breathe();
    const { from } = acts as { from: number };
    const at = target(bytes, from + i * WORD, from);
    const act = at === undefined ? undefined : actAt(bytes, at, domain);
    if (at === undefined || act === undefined || !wanted.has(act.digest)) continue;
    const signature = signatureAt(bytes, at + 6 * WORD);
    const known = found.get(act.digest);
    if (known?.signatures.some(({ r, vs }) => r === signature.r && vs === signature.vs)) continue;
    if (known) known.signatures.push(signature);
    else {
      const { fields } = layoutOf(act.kind);
      found.set(act.digest, {
        kind: act.kind,
        ...(fields.includes("address") ? { to: checksummed(toHex(toIn(bytes, at))) } : {}),
        ...(fields.includes("uint32") ? { taxpayer: taxpayerIn(bytes, at).readUInt32BE() } : {}),
        invoices: [...invoicesIn(bytes, act.invoices)],
        signatures: [signature],
      });
    }
  }
  return found;
}

/**
 * Address whose key made this signature over this digest, by the contract's rules; undefined when
 * it is none.
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
    // r or s is no number that a signature can have
    return undefined;
  }
}
