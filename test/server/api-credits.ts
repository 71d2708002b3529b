/**
 * Red letters and credit notes of invoices issued elsewhere, over HTTP: what an employer has
 * recorded is deducted from its own claims, before or after, at the same moment too; a file of
 * another employer stops nothing.
 */
import { expect } from "chai";
import { strFromU8, unzipSync } from "fflate";
import type { Tx } from "../../server/db/db.ts";
import { legal, preceding, type UblWish, ubl, vatId } from "../formats/european.ts";
import { load, samplesRoot } from "../formats/samples.ts";
import {
  call,
  clientOf,
  freshTaxId,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, record, refused, until } from "./observe.ts";

const red = load(samplesRoot, "shudian/09-red-letter-of-04.xml").text;
const blue = load(samplesRoot, "shudian/04-office-discount.xml").text;
const inside = (xml: string, tag: string) =>
  new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? "";
let serial = Math.floor(Math.random() * 1_000_000);
/** A number of the national platform: its series is one that the bureau allots to nobody. */
const national = (): string => {
  serial += 1;
  return `26451${serial.toString().padStart(15, "0")}`;
};
const fresh = () => `RE-${crypto.randomUUID().slice(0, 8)}`;

const vat = (id: string) => vatId(id) + legal("");
/** A credit note of some of an invoice of 119.00 euro; `gross` is 119 % of a whole net amount. */
const creditOf = (original: string, net = "100.00", wish: UblWish = {}): string => {
  const tax = (Number(net) * 0.19).toFixed(2);
  const gross = (Number(net) * 1.19).toFixed(2);
  return ubl({
    id: fresh(),
    root: "CreditNote",
    references: preceding(original),
    ...{ net, tax, gross },
    ...wish,
  });
};

describe("credit notes of invoices issued elsewhere, over HTTP", () => {
  type By = { token: string };
  let firm: TestParty;
  let rival: TestParty;
  let worker: { account: string; token: string };
  let bureau: By;

  const post = (body: unknown, by: By, query = ""): Promise<Reply> =>
    call("POST", `/v1/external-invoices${query}`, body, {
      token: by.token,
      type: typeof body === "string" ? "application/xml" : "application/json",
    });
  const get = (path: string, by: By) => must(call("GET", path, undefined, { token: by.token }));
  const decide = (claim: string, word: string, by: By, body?: unknown) =>
    call("POST", `/v1/claims/${claim}/${word}`, body, { token: by.token });
  const payableOf = async (claim: string, by: By = firm): Promise<string> =>
    (await get(`/v1/claims/${claim}`, by)).amounts[0].payable;
  const events = async (id: string, by: By): Promise<Loose[]> =>
    (await get(`/v1/events?number=${id}&types=external.credited`, by)).items;
  const overpaid = (by: By, state = "open"): Promise<Loose> =>
    get(`/v1/external-overpaid?state=${state}&limit=100`, by);
  const effectsOf = (note: Loose) =>
    note["effects"].map(({ number, effect, taken }: Loose) => [number, effect, taken.payable]);

  before(async () => {
    bureau = (await sandbox()).bureau;
    [firm, rival] = await Promise.all([
      taxpayer("红冲一公司", ["employer"]),
      taxpayer("红冲二公司", ["employer"]),
    ]);
    worker = await person(firm, "孙三");
  });

  describe("before the original", () => {
    it("over a part reduces its claim, and the claim says by which credit note", async () => {
      const number = fresh();
      const noted = await post(creditOf(number, "20.00"), firm);
      expect(noted.status, JSON.stringify(noted.body)).equals(201);
      expect(noted.body).deep.includes({
        format: "ubl",
        currency: "EUR",
        amount: "23.80",
        originals: [{ number }],
        effects: [],
        employer: { taxId: firm.taxId, name: firm.name },
      });
      expect(noted.headers.get("location")).equals(`/v1/external-credits/${noted.body.credit}`);
      // it is never claimed
      expect((await record(BigInt(noted.body.id).toString())).state).equals("untouched");

      const look = await must(post(ubl({ id: number }), firm, "?dryRun=true"));
      expect([look.state, look.creditNotes]).deep.equals([
        "free",
        [
          {
            number: noted.body.number,
            amount: "23.80",
            effect: "reduces",
            taken: { gross: "23.80", payable: "23.80" },
            overpaid: false,
            credit: noted.body.credit,
          },
        ],
      ]);
      const made = await must(post(ubl({ id: number }), firm, `?holder=${worker.account}`));
      expect([made.gross, made.payable, made.creditNotes]).deep.equals([
        "119.00",
        "95.20",
        look.creditNotes,
      ]);
      for (const by of [firm, worker])
        expect((await get(`/v1/claims/${made.claim.id}`, by)).amounts).deep.equals([
          { currency: "EUR", gross: "95.20", payable: "95.20" },
        ]);
      const packed = await (await clientOf(firm)).bytes("GET /v1/claims/{id}/archive", {
        params: { id: made.claim.id },
        accept: "application/zip",
      });
      const metadata = unzipSync(packed.body)[`external-${made.id}/metadata.json`];
      expect(JSON.parse(strFromU8(metadata ?? new Uint8Array())).creditNotes).deep.equals([
        {
          number: noted.body.number,
          amount: "23.80",
          effect: "reduces",
          taken: { gross: "23.80", payable: "23.80" },
        },
      ]);
      await must(decide(made.claim.id, "reimburse", firm));
      // what was deducted was not paid
      expect(await payableOf(made.claim.id)).equals("95.20");
      expect(JSON.stringify((await overpaid(firm)).items)).not.includes(number);
      const [item] = (await get("/v1/external-credits?limit=1", firm)).items;
      expect(effectsOf(item)).deep.equals([[number, "reduces", "23.80"]]);
    });

    it("over all of it, its claim is refused by the credit note's number", async () => {
      const number = national();
      const text = blue
        .replaceAll(inside(blue, "InvoiceNumber"), number)
        .replaceAll(inside(blue, "BuyerIdNum"), firm.taxId);
      const letter = red
        .replaceAll(inside(red, "OriginalInvoiceCode"), number)
        .replaceAll(inside(red, "InvoiceNumber"), national())
        .replaceAll(inside(red, "BuyerIdNum"), firm.taxId);
      const noted = await must(post(letter, firm));
      expect(noted.originals).deep.equals([{ number }]);
      const look = await must(post(text, firm, "?dryRun=true"));
      expect(look.state).equals("credited");
      const problem = refused(await post(text, firm), "external-credited");
      expect(problem["creditNotes"]).deep.equals([
        { credit: noted.credit, number: inside(letter, "InvoiceNumber"), amount: noted.amount },
      ]);
      expect(problem.detail).includes(inside(letter, "InvoiceNumber"));
      // nothing half-done
      const sql = await database();
      const [stored] = await sql<{ count: bigint }[]>`
        select count(*) from external_credit_effects where credit = ${noted.credit}`;
      expect(stored?.count).equals(0n);
    });

    it("counts for the year that it says, or for the newest invoice of that number", async () => {
      const number = fresh();
      const seller = `DE${Math.floor(Math.random() * 1e9)
        .toString()
        .padStart(9, "0")}`;
      const sold = (wish: UblWish) => ({ seller: vat(seller), ...wish });
      await must(
        post(
          creditOf(number, "10.00", sold({ references: preceding(number, "2025-03-01") })),
          firm,
        ),
      );
      const [older, newer] = [
        await must(post(ubl(sold({ id: number, date: "2025-03-01" })), firm)),
        await must(post(ubl(sold({ id: number, date: "2026-03-01" })), firm)),
      ];
      expect([older.payable, newer.payable]).deep.equals(["107.10", "119.00"]);
      const undated = await must(post(creditOf(number, "20.00", sold({})), firm));
      expect(effectsOf(undated)).deep.equals([[number, "reduces", "23.80"]]);
      expect(undated.effects[0].id).equals(newer.id);
      expect(await payableOf(older.claim.id)).equals("107.10");
      expect(await payableOf(newer.claim.id)).equals("95.20");
      // it has found its original: one of another year is not reduced by it too
      const oldest = await must(post(ubl(sold({ id: number, date: "2024-03-01" })), firm));
      expect([oldest.payable, oldest.creditNotes]).deep.equals(["119.00", undefined]);
    });
  });

  describe("after the original", () => {
    it("reduces a claim that is not decided, and with an event for its employer, its holder and the bureau", async () => {
      const number = fresh();
      const { id, claim } = await must(
        post(ubl({ id: number }), firm, `?holder=${worker.account}`),
      );
      const looked = await must(post(creditOf(number, "20.00"), firm, "?dryRun=true"));
      expect([looked.credit, effectsOf(looked)]).deep.equals([
        undefined,
        [[number, "reduces", "23.80"]],
      ]);
      expect(await payableOf(claim.id)).equals("119.00");
      const noted = await must(post(creditOf(number, "20.00"), firm));
      expect(effectsOf(noted)).deep.equals([[number, "reduces", "23.80"]]);
      expect(await payableOf(claim.id)).equals("95.20");
      await until("the event", async () => (await events(id, firm)).length === 1);
      const data = { effect: "reduces", claim: claim.id, overpaid: false, credit: noted.credit };
      for (const by of [firm, worker])
        expect((await events(id, by)).map((event) => event["data"])).deep.equals([data]);
      expect((await events(id, bureau))[0]?.["data"]).deep.equals({
        ...data,
        employer: firm.index,
        recorder: firm.index,
      });
      expect(await events(id, rival)).deep.equals([]);
    });

    it("over all of it, the claim cannot be reimbursed, only rejected", async () => {
      const number = fresh();
      const { claim } = await must(post(ubl({ id: number }), firm));
      const noted = await must(post(creditOf(number), firm));
      const problem = refused(await decide(claim.id, "reimburse", firm), "external-credited");
      expect(problem.detail).includes(noted.number);
      expect(await payableOf(claim.id)).equals("0.00");
      await must(decide(claim.id, "reject", firm, { reason: "已红冲" }));
      refused(await post(ubl({ id: number }), firm), "external-credited");
    });

    it("of what was reimbursed is on the list of what was paid too much, until it is recovered", async () => {
      const number = fresh();
      const { id, claim } = await must(post(ubl({ id: number }), firm));
      await must(decide(claim.id, "reimburse", firm));
      const before = await overpaid(firm);
      const noted = await must(post(creditOf(number, "20.00"), firm));
      expect(noted.effects[0]).deep.includes({ effect: "reduces", overpaid: true });
      // the claim keeps what was paid
      expect(await payableOf(claim.id)).equals("119.00");
      const after = await overpaid(firm);
      const [item] = after["items"];
      expect(item).deep.equals({
        overpaid: item.overpaid,
        amount: "23.80",
        currency: "EUR",
        original: { id, number },
        creditNote: {
          credit: noted.credit,
          number: noted.number,
          href: `/v1/external-credits/${noted.credit}`,
        },
        claim: { id: claim.id, href: `/v1/claims/${claim.id}` },
        employer: { taxId: firm.taxId, name: firm.name },
      });
      const sumOf = ({ sums }: Loose) =>
        Number(sums.find((sum: Loose) => sum["currency"] === "EUR")?.amount ?? 0);
      expect((sumOf(after) - sumOf(before)).toFixed(2)).equals("23.80");
      expect((await overpaid(bureau))["items"][0]).deep.equals(item);
      expect((await overpaid(rival))["items"]).deep.equals([]);
      expect((await overpaid(rival))["sums"]).deep.equals([]);
      const mark = (by: By) =>
        call("POST", `/v1/external-overpaid/${item.overpaid}/recovered`, undefined, {
          token: by.token,
        });
      refused(await mark(rival), "not-found");
      refused(await mark(bureau), "forbidden");
      const marked = await must(mark(firm));
      expect(marked.recoveredAt).match(/^\d{4}-/);
      expect(await must(mark(firm))).deep.equals(marked);
      expect(JSON.stringify((await overpaid(firm))["items"])).not.includes(item.overpaid);
      expect((await overpaid(firm, "recovered"))["items"][0]).deep.equals(marked);
    });

    it("adds up with others, never past zero: what is more than the original is doubtful", async () => {
      const number = fresh();
      const { id, claim } = await must(post(ubl({ id: number }), firm));
      await must(post(creditOf(number, "60.00"), firm));
      const more = await must(post(creditOf(number, "50.00"), firm));
      expect(effectsOf(more)).deep.equals([[number, "exceeds", "47.60"]]);
      const rest = await must(post(creditOf(number, "10.00"), firm));
      expect(effectsOf(rest)).deep.equals([[number, "exceeds", "0.00"]]);
      expect(await payableOf(claim.id)).equals("0.00");
      const { items } = await get("/v1/external-credits?doubtful=true&limit=2", bureau);
      expect(items.map((item: Loose) => item["credit"])).deep.equals([rest.credit, more.credit]);
      await until("the event", async () => (await events(id, bureau)).length === 3);
    });

    it("takes from what is to be paid: of an invoice that is mostly prepaid not more than that", async () => {
      const number = fresh();
      const totals = '<cbc:PrepaidAmount currencyID="EUR">100.00</cbc:PrepaidAmount>';
      const made = await must(post(ubl({ id: number, totals, payable: "19.00" }), firm));
      expect(made.payable).equals("19.00");
      const noted = await must(post(creditOf(number, "50.00"), firm));
      expect(noted.effects[0].taken).deep.equals({ gross: "59.50", payable: "19.00" });
      expect(await payableOf(made.claim.id)).equals("0.00");
    });

    it("with another seller or currency is doubtful, and deducts nothing", async () => {
      const number = national();
      const text = blue
        .replaceAll(inside(blue, "InvoiceNumber"), number)
        .replaceAll(inside(blue, "BuyerIdNum"), firm.taxId);
      const made = await must(post(text, firm));
      const forged = red
        .replaceAll(inside(red, "OriginalInvoiceCode"), number)
        .replaceAll(inside(red, "InvoiceNumber"), national())
        .replaceAll(inside(red, "BuyerIdNum"), firm.taxId)
        .replaceAll(inside(red, "SellerIdNum"), freshTaxId());
      const noted = await must(post(forged, firm));
      expect(noted.effects[0]).deep.includes({ effect: "differs", differs: ["seller"] });
      expect(await payableOf(made.claim.id)).equals(made.payable);
      const euro = fresh();
      const { claim } = await must(post(ubl({ id: euro }), firm));
      const dollars = await must(post(creditOf(euro, "20.00", { currency: "USD" }), firm));
      expect(dollars.effects[0]).deep.includes({ effect: "differs", differs: ["total"] });
      const early = await must(post(creditOf(euro, "20.00", { date: "2026-10-01" }), firm));
      expect(early.effects[0]).deep.includes({ effect: "differs", differs: ["date"] });
      expect(await payableOf(claim.id)).equals("119.00");
    });

    it("that names several invoices, or none, is kept and deducts nothing", async () => {
      const [a, b] = [fresh(), fresh()];
      const { claim } = await must(post(ubl({ id: a }), firm));
      const both = await must(
        post(creditOf(a, "20.00", { references: preceding(a) + preceding(b) }), firm),
      );
      expect(effectsOf(both)).deep.equals([[a, "several", "0.00"]]);
      expect(await payableOf(claim.id)).equals("119.00");
      const bonus = await must(post(creditOf(a, "20.00", { references: "" }), firm));
      expect([bonus.originals, bonus.effects]).deep.equals([[], []]);
      const { creditNotes, payable } = await must(post(ubl({ id: b }), firm));
      expect([creditNotes[0].effect, creditNotes.length, payable]).deep.equals([
        "several",
        1,
        "119.00",
      ]);
    });
  });

  describe("of somebody else", () => {
    it("a stranger's forged credit note does not stop a claim, nor reduce it: it is a warning", async () => {
      const [known, later] = [fresh(), fresh()];
      const first = await must(post(ubl({ id: known }), firm));
      for (const number of [known, later]) {
        const noted = await must(post(creditOf(number), rival));
        // it does not say whether the invoice is claimed, nor by which employer
        expect(noted.effects).deep.equals([]);
      }
      const second = await must(post(ubl({ id: later }), firm));
      const warning = {
        amount: "119.00",
        effect: "other-employer",
        taken: { gross: "0.00", payable: "0.00" },
        overpaid: false,
      };
      for (const { id, claim } of [first, second]) {
        const { creditNotes, payable } = await get(`/v1/external-invoices/${id}`, firm);
        expect(creditNotes.map(({ number: _, ...note }: Loose) => note)).deep.equals([warning]);
        expect(payable).equals("119.00");
        await must(decide(claim.id, "reimburse", firm));
        expect(await payableOf(claim.id)).equals("119.00");
        await until("the event", async () => (await events(id, firm)).length === 1);
        expect((await events(id, firm))[0]?.["data"]).deep.equals({
          effect: "other-employer",
          claim: claim.id,
          overpaid: false,
        });
        expect(await events(id, rival)).deep.equals([]);
        expect((await events(id, bureau))[0]?.["data"]).deep.includes({
          employer: firm.index,
          recorder: rival.index,
        });
      }
      expect(JSON.stringify(await overpaid(firm))).not.includes(known);
      const { items } = await get("/v1/external-credits?doubtful=true&limit=2", bureau);
      expect(items.map((item: Loose) => item["effects"][0].employer)).deep.equals([
        { taxId: firm.taxId, name: firm.name },
        { taxId: firm.taxId, name: firm.name },
      ]);
    });

    it("is not seen, and one of its own counts beside it", async () => {
      const number = fresh();
      const strange = await must(post(creditOf(number), rival));
      refused(
        await call("GET", `/v1/external-credits/${strange.credit}`, undefined, {
          token: firm.token,
        }),
        "not-found",
      );
      refused(
        await call("GET", `/v1/external-credits/${strange.credit}/original`, undefined, {
          token: firm.token,
        }),
        "not-found",
      );
      for (const path of ["/v1/external-credits", "/v1/external-overpaid"])
        refused(await call("GET", path, undefined, { token: worker.token }), "forbidden");
      await must(post(creditOf(number, "20.00"), firm));
      const made = await must(post(ubl({ id: number }), firm));
      expect(made.payable).equals("95.20");
      expect(made.creditNotes.map(({ effect }: Loose) => effect)).deep.equals([
        "other-employer",
        "reduces",
      ]);
    });
  });

  describe("is recorded", () => {
    it("once, with its file; the same number with other facts is a conflict", async () => {
      const number = fresh();
      const text = creditOf(number, "20.00", { id: "GS-7", seller: vat("DE811111111") });
      const first = await must(post(text, firm));
      const again = await post(text, firm);
      expect([again.status, again.body.credit]).deep.equals([200, first.credit]);
      const looked = await must(post(text, firm, "?dryRun=true"));
      expect(looked.credit).equals(first.credit);
      const other = creditOf(number, "30.00", { id: "GS-7", seller: vat("DE811111111") });
      const problem = refused(await post(other, firm), "external-conflict");
      expect([problem["differs"], problem["original"].credit]).deep.equals([
        ["total"],
        first.credit,
      ]);
      const elsewhere = creditOf(fresh(), "20.00", { id: "GS-7", seller: vat("DE811111111") });
      refused(await post(elsewhere, firm), "external-conflict");
      // another employer has its own
      expect((await post(text, rival)).status).equals(201);
      const kept = await call("GET", `/v1/external-credits/${first.credit}/original`, undefined, {
        token: firm.token,
      });
      expect(kept.body).equals(text);
      const { document } = await get(`/v1/external-credits/${first.credit}`, firm);
      expect(document.totals.gross).equals("-23.80");
    });

    it("as JSON too, without a file", async () => {
      const original = fresh();
      const taxId = freshTaxId();
      const base = {
        kind: "ordinary",
        issuedAt: "2026-11-03T10:00:00+08:00",
        currency: "CNY",
        seller: { taxId, name: "卖方" },
        buyer: { name: "个人" },
      };
      const line = (amount: string, tax: string) => ({
        name: "餐费",
        amount,
        taxRate: "0.06",
        tax,
      });
      const invoice = {
        ...base,
        sourceId: original,
        lines: [line("100.00", "6.00")],
        totals: { net: "100.00", tax: "6.00", gross: "106.00" },
      };
      const credit = {
        ...base,
        sourceId: fresh(),
        reverses: { sourceId: original },
        lines: [line("-50.00", "-3.00")],
        totals: { net: "-50.00", tax: "-3.00", gross: "-53.00" },
      };
      const made = await must(post(invoice, firm));
      const noted = await must(post(credit, firm));
      expect(effectsOf(noted)).deep.equals([[original, "reduces", "53.00"]]);
      expect(await payableOf(made.claim.id)).equals("53.00");
      refused(
        await call("GET", `/v1/external-credits/${noted.credit}/original`, undefined, {
          token: firm.token,
        }),
        "not-found",
      );
      refused(await post(credit, firm, `?holder=${worker.account}`), "invalid-request", {
        field: "?holder",
        rule: "not-of-credit-note",
      });
      refused(await post({ ...credit, holder: worker.account }, firm), "invalid-request", {
        field: "/holder",
        rule: "not-of-credit-note",
      });
      refused(await post(credit, firm, "?collected=1.00"), "invalid-request", {
        field: "?collected",
        rule: "not-of-credit-note",
      });
    });

    it("if it is for this employer, takes something back, and is of no invoice of this network", async () => {
      const number = fresh();
      const titled = red
        .replaceAll(inside(red, "InvoiceNumber"), national())
        .replaceAll(inside(red, "OriginalInvoiceCode"), national())
        .replaceAll(inside(red, "BuyerIdNum"), rival.taxId);
      refused(await post(titled, firm), "titled-to-another");
      const negative = {
        net: "-100.00",
        tax: "-19.00",
        gross: "-119.00",
        quantity: "-1",
        price: "100.00",
      };
      refused(await post(creditOf(number, "100.00", negative), firm), "invalid-document", {
        field: "/CreditNote/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
        rule: "credit-note-adds",
      });
      const shop = await taxpayer("红冲网内店", ["issuer"]);
      const own = await issued(shop, firm);
      const here = titled
        .replaceAll(rival.taxId, firm.taxId)
        .replaceAll(inside(titled, "OriginalInvoiceCode"), own);
      refused(await post(here, firm), "external-issued-here");
    });
  });

  describe("at the same moment", () => {
    const times = 8;
    /** The answers to two requests that wait for the same lock before either goes on. */
    async function together<T>(
      lock: (tx: Tx) => Promise<unknown>,
      requests: () => [Promise<T>, Promise<T>],
    ): Promise<[T, T]> {
      const sql = await database();
      let sent: [Promise<T>, Promise<T>] | undefined;
      await sql.begin(async (tx) => {
        await lock(tx);
        sent = requests();
        await until(
          "both wait",
          async () => {
            const [row] = await sql<{ count: bigint }[]>`
              select count(*) from pg_locks where not granted`;
            return (row?.count ?? 0n) >= 2n;
          },
          10_000,
        );
      });
      return Promise.all(sent as [Promise<T>, Promise<T>]);
    }
    /** Until the test lets go, nobody registers this invoice, nor records a credit note of it. */
    const lockOriginal = (id: string) => (tx: Tx) =>
      tx`select pg_advisory_xact_lock(hashtextextended(${`external/${BigInt(id)}`}, 0))`;

    it("both wait for the original's id: neither the registration nor the credit note is missed", async () => {
      for (const by of [firm, rival]) {
        const number = fresh();
        const [id] = (await must(post(ubl({ id: number }), firm, "?dryRun=true"))).ids;
        const [made, noted] = await together(lockOriginal(id), () => [
          post(ubl({ id: number }), firm),
          post(creditOf(number, "20.00"), by),
        ]);
        expect([made.status, noted.status]).deep.equals([201, 201]);
        const { creditNotes, payable } = await get(`/v1/external-invoices/${id}`, firm);
        expect([creditNotes.map(({ effect }: Loose) => effect), payable]).deep.equals(
          by === firm ? [["reduces"], "95.20"] : [["other-employer"], "119.00"],
        );
      }
    });

    it("both wait for the claim: a reimbursement sees the credit note, or the credit note sees it", async () => {
      const number = fresh();
      const { claim } = await must(post(ubl({ id: number }), firm));
      const [decision, noted] = await together(
        (tx) => tx`select 1 from claims where id = ${claim.id} for update`,
        () => [decide(claim.id, "reimburse", firm), post(creditOf(number), firm)],
      );
      expect(noted.status).equals(201);
      const listed = (await overpaid(firm))["items"].map((item: Loose) => item["claim"].id);
      if (decision.status !== 200) refused(decision, "external-credited");
      expect(listed.includes(claim.id)).equals(decision.status === 200);
    });

    it("as the registration of its original: the claim is refused, or reduced to nothing", async () => {
      await Promise.all(
        Array.from({ length: times }, async (_, i) => {
          const number = fresh();
          const [made, noted] = await Promise.all(
            i % 2 === 0
              ? [post(ubl({ id: number }), firm), post(creditOf(number), firm)]
              : [post(creditOf(number), firm), post(ubl({ id: number }), firm)].reverse(),
          );
          expect(noted?.status).equals(201);
          if (made?.status === 201) {
            expect(await payableOf(made.body.claim.id)).equals("0.00");
            refused(await decide(made.body.claim.id, "reimburse", firm), "external-credited");
          } else refused(made as Reply, "external-credited");
        }),
      );
    });

    it("as the registration by another employer: that one is warned, whichever comes first", async () => {
      await Promise.all(
        Array.from({ length: times }, async () => {
          const number = fresh();
          const [made] = await Promise.all([
            must(post(ubl({ id: number }), firm)),
            must(post(creditOf(number), rival)),
          ]);
          const { creditNotes } = await get(`/v1/external-invoices/${made.id}`, firm);
          expect(creditNotes.map(({ effect }: Loose) => effect)).deep.equals(["other-employer"]);
        }),
      );
    });

    it("as the reimbursement: that is refused, or the sum is on the list of what was paid too much", async () => {
      const paid: string[] = [];
      await Promise.all(
        Array.from({ length: times }, async () => {
          const number = fresh();
          const { claim } = await must(post(ubl({ id: number }), firm));
          const [decision, noted] = await Promise.all([
            decide(claim.id, "reimburse", firm),
            post(creditOf(number), firm),
          ]);
          expect(noted.status).equals(201);
          if (decision.status === 200) paid.push(claim.id);
          else {
            refused(decision, "external-credited");
            expect(await payableOf(claim.id)).equals("0.00");
          }
        }),
      );
      const listed = (await overpaid(firm))["items"].map(({ claim }: Loose) => claim.id);
      expect(listed).includes.members(paid);
    });

    it("as others of the same original: together they never take more than there is", async () => {
      const number = fresh();
      const { claim } = await must(post(ubl({ id: number }), firm));
      const notes = await Promise.all(
        Array.from({ length: 5 }, () => must(post(creditOf(number, "30.00"), firm))),
      );
      const taken = notes.flatMap((note) =>
        note["effects"].map((each: Loose) => each["taken"].gross),
      );
      expect(taken.sort()).deep.equals(["0.00", "11.90", "35.70", "35.70", "35.70"]);
      expect(await payableOf(claim.id)).equals("0.00");
    });

    it("as itself is one", async () => {
      const text = creditOf(fresh(), "20.00");
      const answers = await Promise.all(Array.from({ length: 5 }, () => post(text, firm)));
      expect(answers.map(({ status }) => status).sort()).deep.equals([200, 200, 200, 200, 201]);
      expect(new Set(answers.map(({ body }) => body.credit)).size).equals(1);
    });
  });
});
