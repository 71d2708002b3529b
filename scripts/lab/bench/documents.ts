/**
 * What a document costs: hashing it in salted parts compared with hashing it whole, sealing it, and
 * encrypting its key to a reader. One core, no database, no chain. Prints microseconds per invoice
 * and the ratio to a whole hash.
 */
import { randomBytes } from "node:crypto";
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import { partNames } from "@onepiao/protocol/proofs/parts.ts";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { goodSamples } from "../../../sandbox/samples.ts";
import { type PublicKey, wrapTo, wrapUnder } from "../../../server/features/parties/encryption.ts";

const ROUNDS = 5;

/**
 * The best of some rounds, in microseconds per call: the time without other work on the machine.
 */
async function time(calls: number, work: () => unknown): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const begun = performance.now();
    for (let i = 0; i < calls; i += 1) await work();
    // the first one warms up
    if (round > 0) rounds.push(((performance.now() - begun) / calls) * 1_000);
  }
  return Math.min(...rounds);
}

const [{ document }] = goodSamples() as [ReturnType<typeof goodSamples>[0]];
const seed = randomBytes(32);
const key = randomBytes(32);
const encryption = await generateKeyPair("ECDH-ES+A256KW", { crv: "X25519", extractable: true });
const jwk = (await exportJWK(encryption.publicKey)) as PublicKey;
const signing = await generateKeyPair("ES256");
const LOT = 500;

const whole = await time(5_000, () =>
  keccak(Buffer.concat([seed, Buffer.from(canonicalJson(document))])),
);
const jwe = await time(200, () => wrapTo(jwk, key, "eip155:31337/0x00/1"));
const rows: [string, number][] = [
  ["content hash, the document whole", whole],
  ["content hash, in salted parts", await time(5_000, () => contentHash(seed, document))],
  [
    "showing three of the parts",
    await time(5_000, () => disclose(seed, document, ["seller", "date", "total"])),
  ],
  [
    "a signature an invoice, as an SD-JWT has (ES256)",
    await time(200, () =>
      new SignJWT({ _sd: partNames }).setProtectedHeader({ alg: "ES256" }).sign(signing.privateKey),
    ),
  ],
  ["a content key under its lot's key", await time(5_000, () => wrapUnder(key, key))],
  ["a key to one reader (JWE)", jwe],
  [`a lot's key to issuer and bureau, of ${LOT} invoices`, (2 * jwe) / LOT],
];
for (const [step, microseconds] of rows)
  console.log(
    `${step.padEnd(50)} ${microseconds.toFixed(1).padStart(8)} µs   ${(microseconds / whole).toFixed(2).padStart(6)} ×`,
  );
