/**
 * Documents as others write them: the project's own cases (support/own-cases.ts), sent to the
 * gateway one after another, as `npm run validate:cases` sends them; and how cases are listed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { casesOf } from "../../scripts/lab/cases/cases.ts";
import { type Outcome, triedAll } from "../../scripts/lab/cases/run.ts";
import { samplesRoot } from "../formats/samples.ts";
import { sandbox, taxpayer } from "./network.ts";
import { ownCases } from "./support/own-cases.ts";

describe("documents as others write them", () => {
  let outcomes: Promise<Outcome>[];

  before(async () => {
    const { url } = await sandbox();
    const [A, B, issuer] = await Promise.all([
      taxpayer("深圳市远航精密制造有限公司", ["employer"]),
      taxpayer("试验乙公司", ["employer"]),
      taxpayer("深圳市南山区巷口面馆有限公司", ["issuer"]),
    ]);
    outcomes = triedAll(samplesRoot, ownCases, { url, keys: { A, B, issuer } });
    await Promise.allSettled(outcomes);
  });

  for (const [at, each] of ownCases.entries())
    it(`${each.file}, ${each.should}: ${each.expect.status}`, async () => {
      const { expected, got, right } = (await outcomes[at]) as Outcome;
      expect(right, `expected ${expected}, got ${got}`).equals(true);
    });
});

describe("the list of a folder's cases", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cases-"));
    for (const name of ["a.xml", "b.xml", "national.pdf", "forgotten.json"])
      writeFileSync(join(folder, name), "<a/>");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is the table in its README, with what is known of a file in place of a row", () => {
    writeFileSync(
      join(folder, "README.md"),
      [
        "| case | file | sent to | should |",
        "|---|---|---|---|",
        "| 1 | a.xml | POST /v1/external-invoices, as an employer A; POST /v1/verify | 201: read |",
        "| 2 | b.xml | POST /v1/external-invoices, as an employer B | 409 already-claimed: the same |",
        "| 3 | b.xml | POST /v1/invoices, as the issuer | kept somehow |",
        "| 4 | national.pdf | POST /v1/external-invoices, as an employer | read, some day |",
      ].join("\n"),
    );
    const cases = casesOf(folder);
    expect(
      cases.map(({ file, to, by, expect: { status, code } }) => [file, to, by, status, code]),
    ).deep.equals([
      ["a.xml", "/v1/external-invoices", "A", [201], undefined],
      ["a.xml", "/v1/verify", "nobody", [201], undefined],
      ["b.xml", "/v1/external-invoices", "B", [409], "already-claimed"],
      ["b.xml", "/v1/invoices", "issuer", [], undefined],
      ["national.pdf", "/v1/external-invoices", "A", [415], undefined],
      ["national.pdf", "/v1/verify", "nobody", [400], undefined],
      ["forgotten.json", "/v1/external-invoices", "A", [], undefined],
    ]);
  });

  it("is its own list if it has one, and names what the list forgets", () => {
    const listed = { file: "a.xml", to: "/v1/verify", by: "nobody", should: "x" };
    writeFileSync(
      join(folder, "expected.json"),
      JSON.stringify([{ ...listed, expect: { status: [200] } }]),
    );
    expect(casesOf(folder).map(({ file, should }) => [file, should])).deep.equals([
      ["a.xml", "x"],
      ["b.xml", "in no list"],
      ["forgotten.json", "in no list"],
      ["national.pdf", "in no list"],
    ]);
  });
});
