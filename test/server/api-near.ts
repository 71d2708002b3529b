/**
 * Near duplicates, over HTTP: documents of two identities that may be of one purchase warn their
 * employer and are on the bureau's list. Nothing is refused, and nobody learns anything about
 * another party's invoices.
 */
import { expect } from "chai";
import {
  call,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused, until } from "./observe.ts";

type By = { token: string };
type Facts = {
  number?: string;
  seller?: string;
  taxId?: string;
  buyer?: { name: string; taxId?: string };
  issuedAt?: string;
  currency?: string;
  /** Gross, in whole units. */
  gross?: number;
};
let serial = Math.floor(Math.random() * 1_000_000);
const fresh = (word: string) => {
  serial += 1;
  return `${word}${serial}`;
};
/** A number of the national platform: its series is one that the bureau allots to nobody. */
const nationalNumber = () => `26450${fresh("").padStart(15, "0")}`;
/** An invoice of a shop abroad, over an amount without tax. */
function receipt(facts: Facts = {}) {
  const amount = `${facts.gross ?? 200}.00`;
  return {
    ...invoiceOf({ taxId: "", name: "" }, facts.buyer ?? { name: "个人" }),
    ...(facts.issuedAt && { issuedAt: facts.issuedAt }),
    currency: facts.currency ?? "EUR",
    sourceId: facts.number ?? fresh("R-"),
    seller: { name: facts.seller ?? fresh("Shop "), taxId: facts.taxId ?? "DE136695976" },
    lines: [{ name: "Ware", amount, taxRate: "0.00", tax: "0.00" }],
    totals: { net: amount, tax: "0.00", gross: amount },
  };
}

describe("near duplicates of external invoices", () => {
  let firm: TestParty;
  let rival: TestParty;
  let bureau: By;

  const register = (body: unknown, by: By, query = "", key?: string): Promise<Reply> =>
    call("POST", `/v1/external-invoices${query}`, body, {
      token: by.token,
      ...(key === undefined ? {} : { key }),
    });
  const get = (path: string, by: By) => must(call("GET", path, undefined, { token: by.token }));
  const decide = (claim: string, word: string, by: By, body?: unknown) =>
    must(call("POST", `/v1/claims/${claim}/${word}`, body, { token: by.token }));
  /** The numbers of the near duplicates that an answer names. */
  const named = (answer: Loose): string[] =>
    (answer.nearDuplicates ?? []).map((match: Loose) => match.number);
  const findingsOf = async (id: string, by: By = bureau): Promise<Loose[]> =>
    (await get("/v1/external-findings?limit=100", by)).items.filter(
      ({ id: own, registered }: Loose) => own === id || registered?.invoice === id,
    );
  const eventsOf = async (id: string, by: By): Promise<Loose[]> =>
    (await get(`/v1/events?number=${id}&types=external.near-duplicate`, by)).items;
  /** How many keys are stored of an invoice, by its number on the ledger. */
  const keysOf = async (number: string | bigint): Promise<number> => {
    const sql = await database();
    return (await sql`select 1 from near_keys where number = ${number.toString()}`).length;
  };

  before(async () => {
    bureau = (await sandbox()).bureau;
    [firm, rival] = await Promise.all([
      taxpayer("近似一公司", ["employer"]),
      taxpayer("近似二公司", ["employer"]),
    ]);
  });

  it("one purchase under two numbers: both are claimed, the employer is warned, the bureau sees both", async () => {
    const seller = fresh("Muster Handel ");
    const first = await must(register(receipt({ seller }), firm));
    expect(first.nearDuplicates).equals(undefined);
    const other = receipt({ seller: `${seller.toUpperCase()}.`, taxId: "DE987654321" });
    const look = await must(register(other, firm, "?dryRun=true"));
    expect([look.state, named(look)]).deep.equals(["free", [first.number]]);
    expect([await keysOf(BigInt(look.ids[0])), await findingsOf(first.id)]).deep.equals([0, []]);
    const second = await register(other, firm);
    expect(second.status).equals(201);
    expect(second.body.claim.status).equals("claimed");
    expect(second.body.nearDuplicates).deep.equals([
      {
        invoice: first.id,
        number: first.number,
        same: ["seller"],
        claim: { id: first.claim.id, href: first.claim.href },
      },
    ]);
    const { id, number, claim } = second.body;
    expect(await keysOf(BigInt(id))).equals(1);
    const [finding, ...more] = await findingsOf(id);
    expect(more).deep.equals([]);
    expect(finding).deep.includes({
      kind: "near-duplicate",
      id,
      number,
      differs: [],
      same: ["seller"],
      claim: { id: claim.id, href: claim.href },
    });
    expect(finding.employer.taxId).equals(firm.taxId);
    expect(finding.stated.seller.name).equals(other.seller.name);
    expect(finding.registered).deep.includes({
      invoice: first.id,
      number: first.number,
      gross: "200.00",
      claim: { id: first.claim.id, href: first.claim.href },
      employer: { taxId: firm.taxId, name: firm.name },
    });
    // both are the employer's own, so it sees the finding too, and is notified
    expect(await findingsOf(id, firm)).deep.equals([finding]);
    const list = async (query: string) =>
      (await get(`/v1/external-findings?limit=1${query}`, firm)).items as Loose[];
    expect(await list("&kind=near-duplicate")).deep.equals([finding]);
    expect(await list("&kind=conflict")).deep.equals([]);
    refused(await call("GET", "/v1/external-findings?kind=other"), "invalid-request");
    // found by either claim, by the employer of both
    for (const { id } of [claim, first.claim]) {
      expect(await list(`&claim=${id}`), id).deep.equals([finding]);
      const others = await get(`/v1/external-findings?claim=${id}`, rival);
      expect(others.items, id).deep.equals([]);
    }
    const [event] = await until("the employer has the event", async () => {
      const all = await eventsOf(id, firm);
      return all.length > 0 ? all : undefined;
    });
    expect(event?.["data"]).deep.equals({ same: ["seller"], other: first.id });
    expect((await eventsOf(id, bureau))[0]?.["data"]).deep.equals({
      same: ["seller"],
      other: first.id,
      by: firm.account,
      employer: firm.index,
      claim: claim.id,
    });
  });

  it("by the buyer's name too, for one claimant; those with both names come first", async () => {
    const [seller, buyer] = [fresh("Lokal "), { name: fresh("Empfaenger ") }];
    const byBuyer = await must(register(receipt({ buyer }), firm));
    const both = await must(register(receipt({ seller, buyer }), firm));
    expect(both.nearDuplicates).deep.includes({
      invoice: byBuyer.id,
      number: byBuyer.number,
      same: ["buyer"],
      claim: { id: byBuyer.claim.id, href: byBuyer.claim.href },
    });
    const last = await must(register(receipt({ seller, buyer }), firm));
    expect(last.nearDuplicates.map((match: Loose) => [match.number, match.same])).deep.equals([
      [both.number, ["seller", "buyer"]],
      [byBuyer.number, ["buyer"]],
    ]);
  });

  it("not for another day, currency or total, and not for a buyer who is nobody in particular", async () => {
    const seller = fresh("Laden ");
    await must(register(receipt({ seller }), firm));
    for (const other of [
      { seller, issuedAt: "2026-11-04T12:31:07+08:00" },
      { seller, currency: "USD" },
      { seller, gross: 201 },
      {},
    ])
      expect(
        (await must(register(receipt(other), firm))).nearDuplicates,
        JSON.stringify(other),
      ).equals(undefined);
  });

  it("an employer learns nothing about another's: not in the answer, a look, a list or an event", async () => {
    const [seller, buyer] = [fresh("Geheim "), { name: fresh("Kunde ") }];
    const first = await must(register(receipt({ seller, buyer }), firm));
    const guess = receipt({ seller, buyer });
    // a right guess has the answer of a wrong one
    const right = await must(register(guess, rival, "?dryRun=true"));
    const wrong = receipt({ seller, buyer, number: guess.sourceId, gross: 201 });
    expect(right).deep.equals(await must(register(wrong, rival, "?dryRun=true")));
    const second = await must(register(guess, rival));
    expect(second.nearDuplicates).equals(undefined);
    const [finding] = await findingsOf(second.id);
    expect([finding.employer.taxId, finding.registered.employer.taxId]).deep.equals([
      rival.taxId,
      firm.taxId,
    ]);
    expect(finding.same).deep.equals(["seller", "buyer"]);
    await until("the bureau has the event", async () => (await eventsOf(second.id, bureau))[0]);
    for (const by of [firm, rival])
      for (const id of [first.id, second.id]) {
        expect(await findingsOf(id, by)).deep.equals([]);
        expect(await eventsOf(id, by)).deep.equals([]);
      }
    // a third of its own is named to the rival, and the first still is not
    const third = await must(register(receipt({ seller, buyer }), rival));
    expect(named(third)).deep.equals([second.number]);
    expect(JSON.stringify(third)).not.includes(first.id).and.not.includes(first.number);
    const all = await findingsOf(third.id);
    expect(all.map(({ registered }) => registered.invoice).sort()).deep.equals(
      [first.id, second.id].sort(),
    );
    const own = await findingsOf(third.id, rival);
    expect(own.map(({ registered }) => registered.invoice)).deep.equals([second.id]);
  });

  it("what was rejected does not count any more, and counts again with its next claim", async () => {
    const seller = fresh("Gasthof ");
    const document = receipt({ seller });
    const first = await must(register(document, firm));
    await decide(first.claim.id, "reject", firm, { reason: "typed wrongly" });
    const copy = receipt({ seller });
    expect(named(await must(register(copy, firm, "?dryRun=true")))).deep.equals([]);
    const next = await must(register(document, firm));
    expect(named(await must(register(copy, firm)))).deep.equals([next.number]);
    // under the same number and another total, it has other near duplicates
    const typed = await must(register(receipt({ seller, number: "R-T", gross: 17 }), firm));
    await decide(typed.claim.id, "reject", firm, { reason: "typed wrongly" });
    await must(register(receipt({ seller, number: "R-T", gross: 71 }), firm));
    expect(named(await must(register(receipt({ seller, gross: 17 }), firm)))).deep.equals([]);
    expect(named(await must(register(receipt({ seller, gross: 71 }), firm)))).deep.equals(["R-T"]);
  });

  it("two copies that have no id of their seller in common warn, as nothing else says that they are one", async () => {
    const [seller, number] = [fresh("Doppel "), fresh("D-")];
    const first = await must(register(receipt({ seller, number, taxId: "DE123456789" }), firm));
    const second = await must(register(receipt({ seller, number, taxId: "FR123456789" }), firm));
    expect(second.id).not.equals(first.id);
    expect(second.nearDuplicates.map((match: Loose) => match.invoice)).deep.equals([first.id]);
  });

  it("a copy with another of its seller's ids is the same invoice, and no near duplicate", async () => {
    const [name, sourceId] = [fresh("Mehrfach "), fresh("M-")];
    const identifiers = [{ id: `40123${fresh("").padStart(8, "0")}`, scheme: "0088" }];
    const copy = (taxId: string) => ({
      ...receipt({ number: sourceId }),
      seller: { name, taxId, country: "DE", identifiers },
    });
    const first = await must(register(copy("DE123456789"), firm));
    const second = await register(copy("DE987654321"), rival);
    expect(refused(second, "already-claimed")["original"].id).not.equals(first.id);
    const third = await must(register(copy("DE987654321"), firm, "?dryRun=true"));
    expect([third.state, third.nearDuplicates]).deep.equals(["registered", undefined]);
    expect(await findingsOf(first.id)).deep.equals([]);
  });

  it("a replay gives the first answer, whatever has come since", async () => {
    const seller = fresh("Wirt ");
    const first = await must(register(receipt({ seller }), firm));
    const document = receipt({ seller });
    const key = crypto.randomUUID();
    const answer = await register(document, firm, "", key);
    expect(named(answer.body)).deep.equals([first.number]);
    await decide(first.claim.id, "reject", firm, { reason: "twice" });
    const third = await must(register(receipt({ seller }), firm));
    expect(named(third)).deep.equals([answer.body.number]);
    const again = await register(document, firm, "", key);
    expect([again.status, again.body.nearDuplicates]).deep.equals([
      201,
      answer.body.nearDuplicates,
    ]);
    expect((await findingsOf(answer.body.id)).length).equals(2);
  });

  it("of several that come at the same time each later one sees every earlier one", async () => {
    for (const by of [[firm, firm, firm] as const, [firm, rival, firm] as const]) {
      const [seller, buyer] = [fresh("Zugleich "), { name: fresh("Gast ") }];
      const made = await Promise.all(
        by.map((each) => must(register(receipt({ seller, buyer }), each))),
      );
      const ids = made.map(({ id }) => id as string);
      const pairs = new Set(
        (await Promise.all(ids.map((id) => findingsOf(id))))
          .flat()
          .map(({ id, registered }) => [id, registered.invoice].sort().join()),
      );
      expect([...pairs].sort()).deep.equals(
        [
          [ids[0], ids[1]],
          [ids[0], ids[2]],
          [ids[1], ids[2]],
        ]
          .map((pair) => pair.sort().join())
          .sort(),
      );
      const own = made.filter((_, i) => by[i] === firm).map(named);
      const count = own.length === 3 ? [0, 1, 2] : [0, 1];
      expect(own.map((all) => all.length).sort()).deep.equals(count);
    }
  });

  describe("a price that many pay", () => {
    it("of one seller: a few are findings, more are a usual price, and warn only for the same employee", async () => {
      const seller = fresh("Kantine ");
      const staff = await Promise.all(
        Array.from({ length: 8 }, (_, n) => person(firm, `员工${n}`)),
      );
      const answers: Loose[] = [];
      for (const { account } of staff)
        answers.push(await must(register(receipt({ seller }), firm, `?holder=${account}`)));
      expect(answers.map((answer) => named(answer).length)).deep.equals([0, 1, 2, 3, 4, 5, 0, 0]);
      const last = answers.at(-1) as Loose;
      expect(await findingsOf(last.id)).deep.equals([]);
      const again = await must(register(receipt({ seller }), firm, `?holder=${staff[2]?.account}`));
      expect(named(again)).deep.equals([answers[2].number]);
      expect(await findingsOf(again.id)).deep.equals([]);
      // the employer itself is nobody's employee
      const own = await must(register(receipt({ seller }), firm));
      const more = await must(register(receipt({ seller }), firm));
      expect([named(own), named(more)]).deep.equals([[], []]);
    });

    it("of many sellers to one employer: the buyer's name says nothing, but for one employee", async () => {
      const [ann, bob] = [await person(firm, "甲"), await person(firm, "乙")];
      const trip = () => receipt({ buyer: firm, gross: 23, issuedAt: "2026-11-05T08:00:00+08:00" });
      const first = await must(register(trip(), firm, `?holder=${ann.account}`));
      const second = await must(register(trip(), firm, `?holder=${bob.account}`));
      expect(named(second)).deep.equals([]);
      expect(await findingsOf(second.id)).deep.equals([]);
      const third = await must(register(trip(), firm, `?holder=${ann.account}`));
      expect(third.nearDuplicates).deep.equals([
        {
          invoice: first.id,
          number: first.number,
          same: ["buyer"],
          claim: { id: first.claim.id, href: first.claim.href },
        },
      ]);
      const [finding, ...more] = await findingsOf(third.id);
      expect([finding.registered.invoice, more]).deep.equals([first.id, []]);
    });
  });

  describe("with invoices of this network", () => {
    /** A sale of a shop of this network, and the same sale as an invoice from elsewhere. */
    async function sale() {
      const shop = await taxpayer(fresh("双开店"), ["issuer"]);
      const elsewhere = {
        ...invoiceOf({ taxId: freshTaxId(), name: shop.name }, { name: "个人" }),
        sourceId: nationalNumber(),
      };
      return { shop, elsewhere };
    }
    const claimed = (number: string, by: By, from: TestParty): Promise<Loose> =>
      must(
        call(
          "POST",
          "/v1/claims",
          { employer: from.taxId, invoices: [number] },
          { token: by.token },
        ),
      );

    it("a sale that is claimed here warns who registers it from elsewhere", async () => {
      const { shop, elsewhere } = await sale();
      const ann = await person(firm, "丙");
      const number = await issued(shop, { name: "个人" }, { holder: ann.account });
      const claim = await claimed(number, ann, firm);
      const made = await must(register(elsewhere, firm));
      expect(made.nearDuplicates).deep.equals([
        {
          invoice: number,
          number,
          same: ["seller"],
          claim: { id: claim.id, href: `/v1/claims/${claim.id}` },
        },
      ]);
      const [finding] = await findingsOf(made.id);
      expect(finding.registered).deep.equals({
        seller: { name: shop.name, taxId: shop.taxId },
        days: ["2026-11-03"],
        currency: "CNY",
        gross: "200.00",
        invoice: number,
        number,
        claim: { id: claim.id, href: `/v1/claims/${claim.id}` },
        employer: { taxId: firm.taxId, name: firm.name },
      });
    });

    it("a sale that was registered from elsewhere is a finding when it is claimed here", async () => {
      const { shop, elsewhere } = await sale();
      const made = await must(register(elsewhere, firm));
      const ann = await person(firm, "丁");
      const number = await issued(shop, { name: "个人" }, { holder: ann.account });
      // until then it may be anybody's, and only the bureau sees it
      const [early] = await until("the auditor has compared it", async () => {
        const all = await findingsOf(made.id);
        return all.length > 0 && all;
      });
      expect([early?.["registered"].claim, await findingsOf(made.id, firm)]).deep.equals([
        undefined,
        [],
      ]);
      const claim = await claimed(number, ann, firm);
      const [finding, ...more] = await findingsOf(made.id, firm);
      expect(more).deep.equals([]);
      expect(finding).deep.includes({ kind: "near-duplicate", id: made.id, same: ["seller"] });
      expect(finding.registered.invoice).equals(number);
      expect(finding.registered.claim.id).equals(claim.id);
      expect(finding.registered.employer.taxId).equals(firm.taxId);
      expect(finding.claim.id).equals(made.claim.id);
      expect(await findingsOf(made.id)).deep.equals([finding]);
      const [event] = await until("the employer has the event", async () => {
        const all = await eventsOf(made.id, firm);
        return all.length > 0 && all;
      });
      expect(event?.["data"]).deep.equals({ same: ["seller"], other: number });
      // who decides the claim sees it
      const about = await get(`/v1/external-findings?claim=${claim.id}`, firm);
      expect(about.items).deep.equals([finding]);
    });

    it("of many sales at one price a few are findings at most", async () => {
      const { shop, elsewhere } = await sale();
      const made = await must(register(elsewhere, firm));
      const numbers = await Promise.all(
        Array.from({ length: 9 }, () => issued(shop, { name: "个人" })),
      );
      for (const number of numbers)
        await until("the auditor has its keys", async () => (await keysOf(number)) > 0);
      expect((await findingsOf(made.id)).length).lessThanOrEqual(5);
      const last = await must(register({ ...elsewhere, sourceId: nationalNumber() }, firm));
      expect([named(last), await findingsOf(last.id)]).deep.equals([[], []]);
    });

    it("a sale whose document only the auditor has is the bureau's alone, in either order", async () => {
      const before = await sale();
      const early = await must(register(before.elsewhere, firm));
      await issued(before.shop, { name: "个人" });
      await until("the auditor has compared it", async () => (await findingsOf(early.id))[0]);
      const { shop, elsewhere } = await sale();
      const number = await issued(shop, { name: "个人" });
      await until("the auditor has its keys", async () => (await keysOf(number)) > 0);
      const made = await must(register(elsewhere, firm));
      expect(made.nearDuplicates).equals(undefined);
      const [finding] = await findingsOf(made.id);
      expect([finding.registered.invoice, finding.registered.claim]).deep.equals([
        number,
        undefined,
      ]);
      expect(finding.registered.employer).equals(undefined);
      for (const id of [early.id, made.id]) expect(await findingsOf(id, firm)).deep.equals([]);
      // once a red letter takes all of it back, nothing is left to be paid twice
      const reds = `/v1/invoices/${number}/red-letters`;
      await must(call("POST", reds, { reason: 2, whole: true }, { token: shop.token }));
      await until(
        "it is reversed",
        async () => (await get(`/v1/invoices/${number}`, shop)).status === "reversed",
      );
      const copy = { ...elsewhere, sourceId: nationalNumber() };
      const last = await must(register(copy, firm));
      expect(named(last)).deep.equals([made.number]);
      expect((await findingsOf(last.id)).map(({ registered }) => registered.invoice)).deep.equals([
        made.id,
      ]);
    });
  });
});
