/**
 * Acts in calldata, read by offsets: the result equals that of ethers' decoder, and unreadable
 * input causes no error.
 */
import { randomBytes } from "node:crypto";
import { type ActKind, actKinds } from "@onepiao/protocol/ledger/acts.ts";
import { actMessage, type Domain, digest } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { Interface, type Result, Wallet } from "ethers";
import fc from "fast-check";
import { actsIn, MAX_CALLDATA, signerOf } from "../../server/chain/calldata.ts";
import type { ActArgument } from "../../server/chain/contracts.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";

const ledger = new Interface(InvoiceLedger__factory.abi);
const domain: Domain = {
  name: "a-network",
  version: "1",
  chainId: 7,
  verifyingContract: `0x${"17".repeat(20)}`,
};
/** A set that contains every act. */
const all = { has: () => true } as unknown as ReadonlySet<string>;

const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => `0x${Buffer.from(array).toString("hex")}`);
const number = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
const signature = fc.record({ r: hex(32), vs: hex(32) });
const evidence = fc.record({
  lot: fc.record({
    first: number(256),
    count: number(32),
    issuer: number(32),
    time: number(40),
    root: hex(32),
  }),
  leaf: fc.record({ content: hex(32), holder: hex(20), buyer: number(32) }),
  proof: fc.array(hex(32), { maxLength: 3 }),
});
const act = fc.record({
  kind: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 8 }) },
    { weight: 1, arbitrary: fc.integer({ min: 9, max: 255 }) },
  ),
  to: hex(20),
  taxpayer: number(32),
  ref: hex(32),
  invoices: fc.array(fc.record({ id: number(256), version: number(16) }), { maxLength: 5 }),
  evidence: fc.array(evidence, { maxLength: 2 }),
  signature,
  consent: signature,
});

type Known = Map<
  string,
  {
    kind: ActKind;
    to?: string;
    taxpayer?: number;
    invoices: ActArgument["invoices"];
    signatures: ActArgument["signature"][];
  }
>;

/** The acts that ethers reads, in this reader's form; undefined if it cannot read all of them. */
function byEthers(calldata: string): Known | undefined {
  const known: Known = new Map();
  try {
    const [acts] = ledger.decodeFunctionData("act", calldata) as unknown as [Result];
    for (const raw of acts.toArray() as Result[]) {
      // ethers throws a deferred error at the first access
      const [kindNumber, to, taxpayer, ref, invoices, , [r, vs]] = raw.toArray(true) as [
        bigint,
        string,
        bigint,
        string,
        [bigint, bigint][],
        unknown,
        [string, string],
      ];
      const kind = actKinds[Number(kindNumber)];
      if (kind === undefined || invoices.length === 0) continue;
      const named = invoices.map(([id, version]) => ({
        id: id.toString(),
        version: Number(version),
      }));
      const message = actMessage(kind, { to, taxpayer: Number(taxpayer), ref, invoices: named });
      const key = digest(domain, message);
      const same = known.get(key);
      if (same?.signatures.some((earlier) => earlier.r === r && earlier.vs === vs)) continue;
      if (same) same.signatures.push({ r, vs });
      else {
        const signsTo = kind === "Transfer" || kind === "Admit";
        const signsTaxpayer = kind !== "Transfer" && kind !== "Withdraw";
        known.set(key, {
          kind,
          ...(signsTo ? { to } : {}),
          ...(signsTaxpayer ? { taxpayer: Number(taxpayer) } : {}),
          invoices: named,
          signatures: [{ r, vs }],
        });
      }
    }
  } catch {
    return undefined;
  }
  return known;
}

const wordsOf = (calldata: string) => (calldata.length - 10) / 64;
const withWord = (calldata: string, at: number, word: bigint) =>
  `${calldata.slice(0, 10 + 64 * at)}${word.toString(16).padStart(64, "0")}${calldata.slice(10 + 64 * (at + 1))}`;

describe("acts in calldata", () => {
  it("are equal to ethers' reading, for all acts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 6 }), async (acts) => {
        const calldata = ledger.encodeFunctionData("act", [acts]);
        const known = byEthers(calldata);
        expect(known).not.equals(undefined);
        expect(await actsIn(calldata, domain, all)).deep.equals(known);
      }),
      { numRuns: 300 },
    );
  });

  it("are equal to ethers' reading after words are swapped; unreadable input throws nothing and yields no wrong act", async () => {
    const hostile = fc.oneof(
      fc.constantFrom(
        0n,
        1n,
        32n,
        64n,
        100n,
        101n,
        (1n << 64n) - 1n,
        1n << 64n,
        (1n << 255n) - 1n,
        1n << 255n,
        (1n << 256n) - 32n,
        (1n << 256n) - 1n,
      ),
      fc.integer({ min: 0, max: 60 }).map((words) => BigInt(words) * 32n),
      fc.integer({ min: 1, max: 60 }).map((words) => (1n << 256n) - BigInt(words) * 32n),
      number(256),
    );
    const place = fc.record({ at: fc.nat(), word: hostile });
    let read = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 1, maxLength: 4 }),
        fc.array(place, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        async (acts, places, cut) => {
          let calldata = ledger.encodeFunctionData("act", [acts]);
          // offsets and lengths are mostly in the first words
          for (const { at, word } of places)
            calldata = withWord(
              calldata,
              at % Math.min(wordsOf(calldata), at % 2 === 0 ? 20 : 400),
              word,
            );
          if (cut % 3 === 0) calldata = calldata.slice(0, 10 + (cut % (calldata.length - 10)));
          const decoded = await actsIn(calldata, domain, all);
          const known = byEthers(calldata);
          if (known === undefined) return;
          read += 1;
          expect(decoded).deep.equals(known);
        },
      ),
      { numRuns: 800 },
    );
    expect(read, "some of them could be read").greaterThan(50);
  });

  it("random bytes contain no acts", async () => {
    const bytes = fc
      .uint8Array({ maxLength: 2_000 })
      .map((array) => Buffer.from(array).toString("hex"));
    await fc.assert(
      fc.asyncProperty(bytes, async (text) => {
        const calldata = `${ledger.getFunction("act")?.selector}${text}`;
        expect(await actsIn(calldata, domain, all)).deep.equals(byEthers(calldata) ?? new Map());
        expect(await actsIn(`0x${text}`, domain, all)).deep.equals(new Map());
      }),
      { numRuns: 500 },
    );
  });

  const plain = (count: number, invoices: number) =>
    Array.from({ length: count }, (_, i) => ({
      kind: 3,
      to: `0x${"00".repeat(20)}`,
      taxpayer: 1,
      ref: `0x${(i + 1).toString(16).padStart(64, "0")}`,
      invoices: Array.from({ length: invoices }, (_, k) => ({ id: k + 1, version: 1 })),
      evidence: [],
      signature: { r: `0x${"11".repeat(32)}`, vs: `0x${"11".repeat(32)}` },
      consent: { r: `0x${"00".repeat(32)}`, vs: `0x${"00".repeat(32)}` },
    }));

  it("a hundred acts of a hundred invoices are read; one act, one invoice or one byte more is refused", async () => {
    const read = async (count: number, invoices: number) =>
      (await actsIn(ledger.encodeFunctionData("act", [plain(count, invoices)]), domain, all)).size;
    expect(
      await Promise.all([read(100, 100), read(1, 101), read(101, 1), read(0, 0), read(1, 0)]),
    ).deep.equals([100, 0, 0, 0, 0]);
    const single = ledger.encodeFunctionData("act", [plain(1, 1)]);
    const padded = (bytes: number) => single.padEnd(2 + 2 * bytes, "0");
    expect((await actsIn(padded(MAX_CALLDATA), domain, all)).size).equals(1);
    expect((await actsIn(padded(MAX_CALLDATA + 1), domain, all)).size).equals(0);
  });

  it("the event loop runs in between", async () => {
    const calldata = ledger.encodeFunctionData("act", [plain(100, 100)]);
    let [turns, reading] = [0, true];
    const count = () => {
      turns += 1;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const decoded = await actsIn(calldata, domain, all);
    reading = false;
    expect([decoded.size, turns > 0]).deep.equals([100, true]);
  });

  it("an act with several signatures has each of them once, and only the requested acts are in the result", async () => {
    const [first, second] = plain(2, 1) as [
      ReturnType<typeof plain>[0],
      ReturnType<typeof plain>[0],
    ];
    const junk = { ...first, signature: { r: `0x${"22".repeat(32)}`, vs: first.signature.vs } };
    const calldata = ledger.encodeFunctionData("act", [[junk, first, second, first, junk]]);
    const entry = [...(await actsIn(calldata, domain, all))].find(
      ([, signed]) => signed.signatures.length === 2,
    );
    const some = await actsIn(calldata, domain, new Set([entry?.[0] ?? ""]));
    expect([...some.keys()]).deep.equals([entry?.[0]]);
    expect([...some.values()][0]?.signatures).deep.equals([junk.signature, first.signature]);
  });

  it("a signature's signer is the contract's result; with s in the upper half, or invalid numbers, there is none", () => {
    const wallet = new Wallet(`0x${randomBytes(32).toString("hex")}`);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    for (let i = 0; i < 50; i++) {
      const hash = `0x${randomBytes(32).toString("hex")}`;
      const { r, s, yParity } = wallet.signingKey.sign(hash);
      const compact = (value: bigint, parity: number) => ({
        r,
        vs: `0x${(value | (BigInt(parity) << 255n)).toString(16).padStart(64, "0")}`,
      });
      expect(signerOf(hash, compact(BigInt(s), yParity))).equals(wallet.address);
      expect(signerOf(hash, compact(BigInt(s), 1 - yParity))).not.equals(wallet.address);
      expect(signerOf(hash, compact((order - BigInt(s)) % (1n << 255n), 1 - yParity))).not.equals(
        wallet.address,
      );
      expect(signerOf(hash, { r: `0x${"ff".repeat(32)}`, vs: `0x${"7f".repeat(32)}` })).equals(
        undefined,
      );
      expect(signerOf(hash, { r: `0x${"00".repeat(32)}`, vs: `0x${"00".repeat(32)}` })).equals(
        undefined,
      );
    }
  });
});
