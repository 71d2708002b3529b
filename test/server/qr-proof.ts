/**
 * A proof for a QR code: it decodes to its bundle, fits, a scanner reads it, and changes and junk
 * are refused.
 */
import { randomBytes } from "node:crypto";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { qrText, readQr } from "@onepiao/protocol/formats/qr.ts";
import { digest } from "@onepiao/protocol/ledger/messages.ts";
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import {
  type Bundle,
  bundleFormat,
  checkBundle,
  ledgerDomain,
} from "@onepiao/protocol/proofs/bundle.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import { type PartName, partNames } from "@onepiao/protocol/proofs/parts.ts";
import { decodeProof, encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { expect } from "chai";
import { SigningKey } from "ethers";
import fc from "fast-check";
import jsqr from "jsqr";
import { PNG } from "pngjs";
import { goodSamples } from "../../sandbox/samples.ts";
import { qrPng } from "../../server/drawing/qr-image.ts";

// a CommonJS module
const decode = jsqr as unknown as typeof jsqr.default;
const samples = goodSamples();
const key = new SigningKey(`0x${"11".repeat(32)}`);
const account = (byte: string) => `0x${byte.repeat(20)}`;
const network = {
  name: "consortium of the east",
  chainId: 20_261_103,
  registry: account("12"),
  ledger: account("34"),
};

/** A bundle of the invoice at a position in a lot of this size, sealed with `key`. */
function bundleOf(
  document: InvoiceDocument,
  names: readonly PartName[],
  [position, count]: [number, number] = [0, 1],
  more: Partial<Bundle> = {},
): Bundle {
  const [segment, seed] = [26_442_000_000_000_000_001n, randomBytes(32)];
  const leaf = {
    content: contentHash(seed, document),
    holder: account(document.reverses ? "00" : "56"),
    buyer: document.buyer.taxId === undefined ? 0 : 7,
  };
  const leaves = Array.from({ length: count }, (_, i) =>
    i === position ? leafHash(leaf) : `0x${randomBytes(32).toString("hex")}`,
  );
  const tree = lotTree(leaves);
  const first = segment + 5_000n;
  const lot = {
    first: first.toString(),
    count,
    issuer: 3,
    time: 1_800_000_000,
    root: tree.root,
    segment: segment.toString(),
  };
  const value = {
    issuer: lot.issuer,
    segment: lot.segment,
    first: lot.first,
    count,
    root: lot.root,
  };
  const { r, yParityAndS: vs } = key.sign(
    digest(ledgerDomain({ network }), { type: "Seal", value }),
  );
  const { taxId, name } = document.seller;
  const seller = {
    index: 3,
    account: account("78"),
    taxId,
    name,
    salt: randomBytes(32).toString("hex"),
  };
  return {
    format: bundleFormat,
    network,
    number: (first + BigInt(position)).toString(),
    ...disclose(seed, document, names),
    leaf,
    lot,
    path: tree.proof(position),
    seal: { r, vs },
    parties: names.includes("seller") ? [seller] : [],
    ...more,
  } as Bundle;
}

const printedOf = ({ number }: Bundle, { kind, totals, issuedAt }: InvoiceDocument) => ({
  number,
  kind,
  gross: totals.gross,
  date: issuedAt.slice(0, 10),
});

describe("a proof for a QR code", () => {
  for (const { name, document } of samples) {
    it(`${name}: decodes to its bundle, for any shown parts and any position in its lot`, () => {
      for (const names of [qrParts, [], partNames, ["total"]] as PartName[][]) {
        for (const place of [
          [0, 1],
          [499, 500],
          [1023, 1024],
          [2, 3],
        ] as [number, number][]) {
          const bundle = bundleOf(document, names, place);
          expect(checkBundle(bundle).ok).equals(true);
          const proof = encodeProof(bundle);
          const again =
            proof.length > 4_000
              ? undefined
              : JSON.parse(JSON.stringify({ ...bundle, ...checkSummed(bundle) }));
          expect(decodeProof(proof)).deep.equals(again);
        }
      }
    });
  }

  /** Accounts come back with checksums. */
  function checkSummed(bundle: Bundle) {
    const again = decodeProof(encodeProof(bundle)) as Bundle;
    const lower = (text: string) => text.toLowerCase();
    expect(lower(again.network.registry)).equals(lower(bundle.network.registry));
    expect(lower(again.leaf.holder)).equals(lower(bundle.leaf.holder));
    return {
      network: {
        ...bundle.network,
        registry: again.network.registry,
        ledger: again.network.ledger,
      },
      leaf: { ...bundle.leaf, holder: again.leaf.holder },
      parties: bundle.parties.map((party, i) => ({ ...party, account: again.parties[i]?.account })),
    };
  }

  const [{ document }] = samples as [(typeof samples)[0]];

  it("is below 1,200 bytes in the largest lot, and needs no escaping in a link", () => {
    const proof = encodeProof(bundleOf(document, qrParts, [1000, 1024]));
    expect((proof.length * 2) / 3).below(1_200);
    const text = qrText("https://invoices.example.gov.cn", {
      ...printedOf(bundleOf(document, qrParts), document),
      proof,
    });
    expect(new URL(text).hash).equals(text.slice(text.indexOf("#")));
    expect(readQr(text)?.proof).equals(proof);
  });

  for (const place of [
    [0, 1],
    [250, 500],
    [1000, 1024],
  ] as [number, number][]) {
    it(`of an invoice in a lot of ${place[1]} is read from its image by a scanner`, async () => {
      const bundle = bundleOf(document, qrParts, place);
      const proof = encodeProof(bundle);
      const text = qrText("https://invoices.example.gov.cn", {
        ...printedOf(bundle, document),
        proof,
      });
      const { data, width, height } = PNG.sync.read(await qrPng(text));
      expect(decode(new Uint8ClampedArray(data), width, height)?.data).equals(text);
    });
  }

  it("with one character changed is not a proof, or has another seal or content: never from the same issuer", () => {
    const bundle = bundleOf(document, qrParts, [5, 9]);
    const proof = encodeProof(bundle);
    const { signer } = checkBundle(bundle);
    for (let at = 0; at < proof.length; at += 7) {
      const other = decodeProof(
        `${proof.slice(0, at)}${proof[at] === "A" ? "B" : "A"}${proof.slice(at + 1)}`,
      );
      if (other === undefined) continue;
      const checked = checkBundle(other);
      // The seal does not cover the party's salt and account (checked by the registry), the lot's
      // time (checked by the ledger), and the network's name in its registry.
      const covered = (bundle: Bundle) =>
        JSON.stringify([
          bundle.number,
          bundle.digests,
          bundle.leaf,
          bundle.path,
          bundle.lot.root,
          bundle.lot.issuer,
          bundle.seal,
        ]);
      if (checked.ok && checked.signer === signer)
        expect(covered(other), `at ${at}`).equals(covered(decodeProof(proof) as Bundle));
    }
  });

  it("junk is not a proof, and nothing is thrown", () => {
    const proof = encodeProof(bundleOf(document, qrParts));
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000 }), (text) => decodeProof(text) === undefined),
    );
    fc.assert(
      fc.property(fc.nat(proof.length), fc.stringMatching(/^[0-9A-Z]{0,40}$/), (cut, more) => {
        const decoded = decodeProof(proof.slice(0, cut) + more);
        if (decoded) checkBundle(decoded);
      }),
      { numRuns: 500 },
    );
    for (const text of [
      "",
      "0",
      "000",
      ":::",
      proof.toLowerCase(),
      `${proof}000`,
      "A".repeat(5_000),
    ])
      expect(decodeProof(text), text.slice(0, 20)).equals(undefined);
  });
});
