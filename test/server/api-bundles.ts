/**
 * Bundles: a reader's copy proves itself, whole or in part, to everyone and to the ledger; an
 * altered copy proves nothing.
 */

import {
  type Bundle,
  checkBundle,
  evidenceOf,
  identityCommitment,
} from "@onepiao/protocol/proofs/bundle.ts";
import { partNames } from "@onepiao/protocol/proofs/parts.ts";
import { expect } from "chai";
import { createContracts } from "../../server/chain/contracts.ts";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { chain, database, refused, untilStatus } from "./observe.ts";
import { whileNothingIsSealed } from "./support/holding.ts";

describe("bundles", () => {
  let shop: TestParty;
  let firm: TestParty;
  let ann: { account: string; token: string };
  let number: string;
  const bundleOf = (invoice: string, by: { token: string }, query = ""): Promise<Bundle> =>
    must(
      call("GET", `/v1/invoices/${invoice}/bundle${query}`, undefined, { token: by.token }),
    ) as Promise<Bundle>;
  const failed = (value: unknown): string[] =>
    checkBundle(value)
      .steps.filter((step) => !step.ok)
      .map(({ step }) => step);
  const altered = (bundle: Bundle, change: (bundle: Loose) => void): Bundle => {
    const other = structuredClone(bundle);
    change(other);
    return other;
  };
  const proves = async (bundle: Bundle): Promise<boolean> => {
    const { deployment } = await sandbox();
    const contracts = createContracts(deployment);
    const data = await (await chain()).call(
      deployment.ledger,
      contracts.ledgerCall("proves", [bundle.number, evidenceOf(bundle)]),
    );
    return contracts.ledgerResult("proves", data)[0] as boolean;
  };

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
    ]);
    ann = await person(firm, "李晓明");
    const all = await Promise.all(
      Array.from({ length: 7 }, () =>
        issued(shop, firm, { holder: ann.account, remark: "午餐 4人" }),
      ),
    );
    number = all[3] as string;
  });

  it("a whole bundle passes each step, contains the document, and the ledger accepts it as evidence", async () => {
    const bundle = await bundleOf(number, ann);
    const checked = checkBundle(JSON.parse(JSON.stringify(bundle)));
    expect(checked.steps.filter((step) => !step.ok)).deep.equals([]);
    expect(checked.ok).equals(true);
    const { document } = (
      await call("GET", `/v1/invoices/${number}`, undefined, { token: ann.token })
    ).body;
    expect(checked.document).deep.equals(document);
    expect(await proves(bundle)).equals(true);
    // the issuer's key has sealed it, and the parties agree with the registry
    expect(checked.signer).equals(shop.account);
    const rows = await (await database())<
      { data: Loose }[]
    >`select account as data from taxpayers where index = ${shop.index}`;
    expect(rows[0]?.data).equals(shop.account);
    expect(bundle.parties.map(({ index, taxId }) => [index, taxId])).deep.equals([
      [shop.index, shop.taxId],
      [firm.index, firm.taxId],
    ]);
  });

  it("the parties' salts open the commitments of their enrolment on the chain", async () => {
    const { deployment } = await sandbox();
    const contracts = createContracts(deployment);
    const node = await chain();
    const logs = await node.logs([deployment.registry], deployment.block, await node.head());
    const enrolled = logs
      .map((log) => contracts.event(log))
      .filter((event) => event?.name === "TaxpayerEnrolled");
    for (const party of (await bundleOf(number, ann)).parties) {
      const event = enrolled.find((enrolment) => enrolment?.args["index"] === party.index);
      expect(event?.args["identity"]).equals(identityCommitment(party));
      expect(event?.args["account"]).equals(party.account);
    }
  });

  it("with `disclose` it shows seller, date and total, and neither lines nor traveller nor remark nor buyer", async () => {
    const bundle = await bundleOf(number, ann, "?disclose=seller,date,total");
    expect(Object.keys(bundle.parts).sort()).deep.equals(["date", "seller", "total"]);
    expect(bundle.parts.total?.value).equals("200.00");
    const text = JSON.stringify(bundle);
    for (const hidden of ["餐费", "午餐", firm.name, firm.taxId]) expect(text).not.includes(hidden);
    expect(failed(bundle)).deep.equals([]);
    expect(checkBundle(bundle).document).equals(undefined);
    expect(await proves(bundle)).equals(true);
    expect(Object.keys((await bundleOf(number, ann, "?disclose=")).parts)).deep.equals([]);
  });

  it("an unknown part is refused by its name", async () => {
    const reply = await call(
      "GET",
      `/v1/invoices/${number}/bundle?disclose=seller,price`,
      undefined,
      { token: ann.token },
    );
    refused(reply, "invalid-request", { field: "disclose", rule: "part-name" });
  });

  it("each alteration fails in its step, and the ledger refuses it", async () => {
    const bundle = await bundleOf(number, ann);
    const other = await bundleOf(await issued(shop, firm, { holder: ann.account }), ann);
    const cases: [string, Bundle, string][] = [
      [
        "a value",
        altered(bundle, (b) => {
          b.parts.total.value = "2000.00";
        }),
        "parts",
      ],
      [
        "a line",
        altered(bundle, (b) => {
          b.parts.lines.value[0].amount = "1.00";
        }),
        "parts",
      ],
      [
        "a digest of a hidden part",
        altered(bundle, (b) => {
          b.digests[7] = `0x${"ab".repeat(32)}`;
          delete b.parts.lines;
        }),
        "content",
      ],
      [
        "the first holder",
        altered(bundle, (b) => {
          b.leaf.holder = firm.account;
        }),
        "path",
      ],
      [
        "the titled buyer",
        altered(bundle, (b) => {
          b.leaf.buyer = shop.index;
        }),
        "path",
      ],
      [
        "the number",
        altered(bundle, (b) => {
          b.number = (BigInt(b.number) + 1n).toString();
        }),
        "path",
      ],
      ["the path", altered(bundle, (b) => void b.path.reverse().push(b.lot.root)), "path"],
      [
        "the root",
        altered(bundle, (b) => {
          b.lot.root = `0x${"cd".repeat(32)}`;
        }),
        "path",
      ],
      [
        "the seal",
        altered(bundle, (b) => {
          b.seal.r = `0x${"00".repeat(32)}`;
        }),
        "seal",
      ],
      ["another invoice's parts", { ...bundle, parts: other.parts }, "parts"],
      [
        "another party",
        altered(bundle, (b) => {
          b.parties[0].taxId = firm.taxId;
        }),
        "parties",
      ],
      [
        "a taxpayer who has no part in it",
        altered(bundle, (b) => {
          b.parties[1].index += 77;
        }),
        "parties",
      ],
    ];
    for (const [alteration, value, step] of cases) expect(failed(value), alteration).includes(step);
    for (const alteration of [
      "the first holder",
      "the titled buyer",
      "the number",
      "the path",
      "the root",
    ])
      expect(
        await proves(cases.find(([name]) => name === alteration)?.[1] as Bundle),
        alteration,
      ).equals(false);
    // another key makes the seal of another network or another issuer
    const elsewhere = altered(bundle, (b) => {
      b.network.name = "another network";
    });
    expect(checkBundle(elsewhere).signer).not.equals(shop.account);
  });

  it("a value that is not a bundle gets that verdict, and the check throws nothing", () => {
    for (const value of [
      undefined,
      null,
      7,
      "bundle",
      [],
      {},
      { format: "onepiao-bundle/2" },
      { format: "onepiao-bundle/1", number: "1" },
    ]) {
      expect(failed(value)).deep.equals(["format"]);
    }
  });

  it("an unsealed invoice, or another party's, has no bundle", async () => {
    const stranger = await taxpayer("路人", ["employer"]);
    refused(
      await call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: stranger.token }),
      "not-found",
    );
    const bundleOf = (invoice: string) =>
      call("GET", `/v1/invoices/${invoice}/bundle`, undefined, { token: shop.token });
    const fresh = await whileNothingIsSealed(async () => {
      const accepted = await must(
        call("POST", "/v1/invoices", invoiceOf(shop, firm), { token: shop.token, wait: 0 }),
      );
      refused(await bundleOf(accepted.number), "invoice-not-sealed");
      return accepted.number as string;
    });
    await untilStatus(fresh, "issued");
    expect((await bundleOf(fresh)).status).equals(200);
  });

  it("its parts and their order are those that docs/bundle.md names", async () => {
    const { readFileSync } = await import("node:fs");
    const page = readFileSync(new URL("../../docs/bundle.md", import.meta.url), "utf8");
    const named = [...page.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, i, name]) => [
      Number(i),
      name,
    ]);
    expect(named).deep.equals(partNames.map((name, i) => [i, name]));
  });
});
