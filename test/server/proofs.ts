/**
 * Parts and their hashes: shown parts can be checked, hidden parts cannot be read, and no part can
 * be altered.
 */
import { createHash, randomBytes } from "node:crypto";
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { contradictions } from "@onepiao/protocol/proofs/contradictions.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import {
  contentShown,
  type Disclosure,
  documentOfParts,
  type PartName,
  type Parts,
  partNames,
  partsOf,
} from "@onepiao/protocol/proofs/parts.ts";
import * as inBrowser from "@onepiao/protocol/values/bytes.browser.ts";
import * as inNode from "@onepiao/protocol/values/bytes.ts";
import { expect } from "chai";
import { keccak256 } from "ethers";
import fc from "fast-check";
import { goodSamples } from "../../sandbox/samples.ts";

const samples = goodSamples();
const seed = randomBytes(32);
const copy = <T>(value: T): T => structuredClone(value);

describe("parts of a document", () => {
  for (const { name, document } of samples) {
    it(`${name}: its parts restore the document, and every selection of them leads to the same content hash`, () => {
      expect(canonicalJson(documentOfParts(partsOf(document)))).equals(canonicalJson(document));
      const content = contentHash(seed, document);
      for (const names of [[], ["seller", "date", "total"], partNames] as PartName[][]) {
        const shown = disclose(seed, document, names);
        expect(Object.keys(shown.parts)).deep.equals(
          partNames.filter((part) => names.includes(part)),
        );
        expect(contentShown(shown)).deep.equals({ content, wrong: [] });
      }
    });
  }

  it("an issued document has no contradiction: whole, without any single part, and each part and pair of parts alone", () => {
    for (const { name, document } of samples) {
      const parts = partsOf(document);
      const titled = document.buyer.taxId !== undefined;
      const leaf = {
        holder: `0x${(document.reverses ? "00" : "56").repeat(20)}`,
        buyer: titled ? 7 : 0,
      };
      const parties = [
        { index: 3, ...document.seller, taxId: document.seller.taxId ?? "" },
        ...(titled
          ? [{ index: 7, name: document.buyer.name, taxId: document.buyer.taxId ?? "" }]
          : []),
      ];
      const judged = (names: readonly PartName[]) =>
        contradictions({
          parts: Object.fromEntries(names.map((part) => [part, parts[part]])),
          lot: { issuer: 3, time: Date.parse(document.issuedAt) / 1_000 },
          leaf,
          parties,
        });
      const pairs = partNames.flatMap((part, i) =>
        partNames.slice(i).map((other) => [part, other]),
      );
      for (const names of [
        ...pairs,
        ...partNames.map((hidden) => partNames.filter((part) => part !== hidden)),
      ])
        expect(judged(names), `${name} ${names.join()}`).deep.equals({
          contradictions: [],
          unattributed: [],
        });
      const { document: whole, ...rest } = judged(partNames);
      expect(rest, name).deep.equals({ contradictions: [], unattributed: [] });
      expect(canonicalJson(whole), name).equals(canonicalJson(document));
    }
  });

  it("for any content of the parts, nothing is thrown, and at most 20 contradictions are named", () => {
    const places = (value: unknown, path: (string | number)[] = []): (string | number)[][] =>
      typeof value !== "object" || value === null
        ? [path]
        : [
            path,
            ...Object.entries(value).flatMap(([key, member]) =>
              places(member, [...path, Array.isArray(value) ? Number(key) : key]),
            ),
          ];
    const odd = [
      "",
      "0.00",
      "-0.00",
      "9999999999999.99",
      "-9999999999999.99",
      "1e9",
      "0",
      "-1",
      "0.06",
      "免税",
      "1".repeat(40),
      "\u202e",
      null,
      7,
      true,
      [],
      {},
      [[]],
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.oneof(fc.constantFrom<unknown>(...odd), fc.jsonValue({ maxDepth: 3 })),
          ),
          { minLength: 1, maxLength: 4 },
        ),
        fc.subarray([...partNames], { minLength: 1 }),
        fc.constantFrom(0, 7),
        ({ document }, changes, names, buyer) => {
          const parts = JSON.parse(JSON.stringify(partsOf(document))) as Parts;
          for (const [at, value] of changes) {
            const all = places(parts).slice(1);
            const path = all[at % all.length] as string[];
            const parent = path
              .slice(0, -1)
              .reduce<unknown>(
                (node, step) => (node as Record<string, unknown>)[step],
                parts,
              ) as Record<string, unknown>;
            parent[path.at(-1) as string] = structuredClone(value);
          }
          const shown = Object.fromEntries(names.map((part) => [part, parts[part]]));
          const parties = [3, 7, 7].map((index) => ({
            index,
            taxId: "91440300MAJU6XYHXC",
            name: "远航",
          }));
          const judged = contradictions({
            parts: shown,
            lot: { issuer: 3, time: Date.UTC(2026, 10, 3) / 1_000 },
            leaf: { holder: `0x${"56".repeat(20)}`, buyer },
            parties,
          });
          expect(judged.contradictions.length).within(1, 20);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it("a browser's hashes and hexadecimal equal the gateway's", () => {
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(136).fill(7),
      randomBytes(65),
      inBrowser.toUtf8("*餐饮服务*餐费 😀\ufeff"),
    ]) {
      const text = inNode.toHex(bytes);
      expect(inBrowser.toHex(bytes)).equals(text);
      expect(inBrowser.toHex(inBrowser.hashBytes(bytes))).equals(
        inNode.toHex(inNode.hashBytes(bytes)),
      );
      expect([...inBrowser.fromHex(text)]).deep.equals([...inNode.fromHex(text)]);
    }
    expect([...inBrowser.toUtf8("é餐😀")]).deep.equals([...inNode.toUtf8("é餐😀")]);
  });

  const [{ document }] = samples as [(typeof samples)[0]];

  it("another library computes the same hash by the documented steps", () => {
    const salts = createHash("shake256", { outputLength: 16 * 15 })
      .update(seed)
      .digest();
    const parts = partsOf(document);
    const digests = partNames.map((name, i) => {
      const text = parts[name] === undefined ? "" : canonicalJson(parts[name]);
      return keccak256(
        Buffer.concat([
          Buffer.from([3, i]),
          salts.subarray(16 * i, 16 * i + 16),
          Buffer.from(text),
        ]),
      );
    });
    expect(disclose(seed, document).digests).deep.equals(digests);
    expect(contentHash(seed, document)).equals(
      keccak256(
        Buffer.concat([
          Buffer.from([2]),
          ...digests.map((digest) => Buffer.from(digest.slice(2), "hex")),
        ]),
      ),
    );
  });

  it("an altered value, salt or digest is found, and its part named", () => {
    const whole = disclose(seed, document);
    const content = contentHash(seed, document);
    for (const [i, name] of partNames.entries()) {
      const value = copy(whole);
      (value.parts[name] as { value?: unknown }).value = "altered";
      expect(contentShown(value).wrong, name).deep.equals([name]);
      const salt = copy(whole);
      (salt.parts[name] as { salt: string }).salt = `0x${"11".repeat(16)}`;
      expect(contentShown(salt).wrong, name).deep.equals([name]);
      const digest = copy(whole);
      digest.digests[i] = `0x${"22".repeat(32)}`;
      expect(contentShown(digest).wrong, name).deep.equals([name]);
      expect(contentShown(digest).content).not.equals(content);
    }
  });

  it("an absent part is shown as absent, and cannot be presented as present, nor a present one as absent", () => {
    const shown = disclose(seed, document, ["reverses", "remark"]);
    expect(document.reverses).equals(undefined);
    expect(shown.parts.reverses).not.to.have.property("value");
    const invented = copy(shown) as Disclosure;
    (invented.parts.reverses as { value?: unknown }).value = { number: "26442000000000000001" };
    expect(contentShown(invented).wrong).deep.equals(["reverses"]);
    const dropped = disclose(seed, document, ["seller"]);
    delete (dropped.parts.seller as { value?: unknown }).value;
    expect(contentShown(dropped).wrong).deep.equals(["seller"]);
  });

  it("parts cannot change places, even if both are shown", () => {
    const shown = disclose(seed, document, ["total", "date"]);
    const { total, date } = shown.parts;
    const swapped = { ...shown, parts: { total: date, date: total } } as Disclosure;
    expect(contentShown(swapped).wrong).deep.equals(["date", "total"]);
  });

  it("hidden parts cannot be guessed from shown parts: the same document gets different digests each time", () => {
    const [first, other] = [
      disclose(randomBytes(32), document, []),
      disclose(randomBytes(32), document, []),
    ];
    for (const i of partNames.keys()) expect(first.digests[i]).not.equals(other.digests[i]);
    const shown = disclose(seed, document, ["seller"]);
    const hidden = JSON.stringify(shown);
    for (const line of document.lines) expect(hidden).not.includes(line.name);
    expect(hidden).not.includes(`0x${seed.toString("hex")}`);
  });
});
