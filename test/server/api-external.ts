/**
 * External invoices over HTTP: one employer claims each of them once, at any gateway, and no
 * invoice of this network is registered as external.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { actKinds } from "@onepiao/protocol/ledger/acts.ts";
import { externalHex, externalId, idsOf, ledgerNumber } from "@onepiao/protocol/ledger/external.ts";
import { compactSignature, noSignature, typedData } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { JsonRpcProvider, Wallet } from "ethers";
import { strFromU8, unzipSync } from "fflate";
import { passTime } from "../../sandbox/chain.ts";
import { createContracts, refOf, ZERO_ACCOUNT } from "../../server/chain/contracts.ts";
import { samplesRoot } from "../formats/samples.ts";
import {
  call,
  clientOf,
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
import { database, record, refused, statusOf, until } from "./observe.ts";

const many = <T>(n: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const sample = (name: string) => readFileSync(join(samplesRoot, name), "utf8");

let serial = Math.floor(Math.random() * 1_000_000);
/** A number of the national platform: its series is one that the bureau allots to nobody. */
const nationalNumber = (): string => {
  serial += 1;
  return `26449${serial.toString().padStart(15, "0")}`;
};

/** The id of a national number, by any seller. */
const nationalId = (number: string): string => externalHex(externalId(`cn\0${number}`));

const restaurant = sample("shudian/01-restaurant-ordinary.xml");
const scenic = sample("shudian/06-scenic-person.xml");
const inside = (xml: string, tag: string) =>
  new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? "";
/** A 数电票 of the national platform, titled, or issued to a person if `buyer` is missing. */
type Written = {
  number?: string;
  seller?: string;
  sellerName?: string;
  buyer?: string | undefined;
};
function shudian({
  number = nationalNumber(),
  seller = freshTaxId(),
  sellerName,
  buyer,
}: Written = {}): string {
  const xml =
    buyer === undefined ? scenic : restaurant.replaceAll(inside(restaurant, "BuyerIdNum"), buyer);
  return xml
    .replaceAll(inside(xml, "InvoiceNumber"), number)
    .replaceAll(inside(xml, "SellerIdNum"), seller)
    .replaceAll(inside(xml, "SellerName"), sellerName ?? inside(xml, "SellerName"));
}
const euro = sample("ubl/01-two-rates.xml");
/** A European invoice without its buyer's VAT id. */
const ubl = (id: string): string =>
  euro
    .replace("NB-2026-0815", id)
    .replace(
      /<cac:PartyTaxScheme><cbc:CompanyID>DE 301 442 187<\/cbc:CompanyID>.*?<\/cac:PartyTaxScheme>/,
      "",
    );

describe("invoices issued elsewhere, over HTTP", () => {
  type By = { token: string };
  let shop: TestParty;
  let firm: TestParty;
  let rival: TestParty;
  let worker: { account: string; token: string };
  let bureau: By;

  type Options = { key?: string; wait?: number; holder?: string; type?: string };
  const register = (body: unknown, by: By, { holder, ...options }: Options = {}): Promise<Reply> =>
    call("POST", `/v1/external-invoices${holder === undefined ? "" : `?holder=${holder}`}`, body, {
      token: by.token,
      type: typeof body === "string" ? "application/xml" : "application/json",
      ...options,
    });
  const get = (path: string, by: By) => call("GET", path, undefined, { token: by.token });
  const decide = (claim: string, word: string, by: By, body?: unknown) =>
    call("POST", `/v1/claims/${claim}/${word}`, body, { token: by.token });
  const alarms = async (id: string, by: By = bureau): Promise<Loose[]> =>
    (await must(get(`/v1/events?number=${id}&types=reimbursement.refused`, by))).items.map(
      ({ data: { act: _, ...data } }: Loose) => data,
    );

  before(async () => {
    bureau = (await sandbox()).bureau;
    [shop, firm, rival] = await Promise.all([
      taxpayer("网内店", ["issuer"]),
      taxpayer("报销公司", ["employer"]),
      taxpayer("别家公司", ["employer"]),
    ]);
    worker = await person(firm, "钱二");
  });

  it("a 数电票 of the national platform is claimed, reimbursed and entered as any other invoice", async () => {
    const number = nationalNumber();
    const seller = freshTaxId();
    const xml = shudian({ number, seller, buyer: firm.taxId });
    const made = await register(xml, firm, { holder: worker.account });
    expect(made.status, JSON.stringify(made.body)).equals(201);
    const { id, claim } = made.body;
    expect(made.headers.get("location")).equals(`/v1/external-invoices/${id}`);
    expect(id).equals(nationalId(number));
    expect(made.body).deep.includes({
      number,
      format: "shudian",
      holder: worker.account,
      employer: { taxId: firm.taxId, name: firm.name },
    });
    expect(made.body.document.totals.gross).equals(made.body.gross);
    expect(await record(ledgerNumber(id))).deep.equals({
      holder: worker.account,
      employer: firm.index,
      state: "claimed",
      titled: false,
      version: 1,
    });
    // the employee sees the claim too
    for (const by of [firm, worker, bureau]) {
      const seen = await must(get(claim.href, by));
      expect([seen.status, seen.holder, seen.invoices]).deep.equals([
        "claimed",
        worker.account,
        [{ number, status: "claimed", external: true, id }],
      ]);
    }
    expect((await must(get("/v1/claims?limit=1", firm))).items[0].invoices).deep.equals([
      { number, status: "claimed", external: true, id },
    ]);
    refused(
      await call("POST", "/v1/entries", { mark: "02", invoices: [id] }, { token: firm.token }),
      "wrong-state",
    );
    const paid = await decide(claim.id, "reimburse", firm);
    expect([paid.status, paid.body.status, paid.body.invoices[0].status]).deep.equals([
      200,
      "reimbursed",
      "reimbursed",
    ]);
    expect((await decide(claim.id, "reimburse", firm)).body.code).equals("already-reimbursed");
    const entered = await must(
      call(
        "POST",
        "/v1/entries",
        { mark: "02", invoices: [id], voucher: "记-7" },
        { token: firm.token },
      ),
    );
    expect(entered.invoices[0]).deep.includes({ invoice: id, mark: "02", voucher: "记-7" });
    refused(
      await call("POST", "/v1/entries", { mark: "03", invoices: [id] }, { token: firm.token }),
      "already-entered",
    );
    expect((await must(get(`/v1/invoices/${id}/entry`, firm))).mark).equals("02");
    expect((await must(get(`/v1/external-invoices/${id}`, firm))).claim).deep.equals({
      ...claim,
      status: "reimbursed",
    });
    const original = await get(`/v1/external-invoices/${id}/original`, firm);
    expect(original.body).equals(xml);
    // the gateway sends another party's text as a file, not as a page
    expect(original.headers.get("content-type")).equals("application/octet-stream");
    expect(original.headers.get("content-disposition")).equals(
      `attachment; filename="${id}.original.xml"`,
    );
    expect(original.headers.get("content-security-policy")).match(
      /^sandbox;default-src 'none';form-action 'none'/,
    );
    expect(
      (await must(get(`/v1/events?number=${id}`, worker))).items.map((event: Loose) => [
        event.type,
        event.number,
        event.external,
      ]),
    ).deep.equals([
      ["claim.created", undefined, id],
      ["invoice.reimbursed", undefined, id],
    ]);
  });

  it("the answer lists the proven and the unproven facts", async () => {
    const titled = await register(shudian({ buyer: firm.taxId }), firm, { wait: 0 });
    expect(titled.status).equals(202);
    expect(titled.body.proven).deep.equals([
      "format",
      "arithmetic",
      "tax-id-form",
      "seller-check-digit",
      "title",
      "once-in-this-network",
    ]);
    expect(titled.body.notProven).includes.members([
      "issued",
      "seller-signature",
      "unaltered",
      "not-reversed",
      "unused-outside",
    ]);
    const { proven, notProven } = await must(register(shudian(), firm));
    expect(proven).not.includes("title");
    expect(notProven).includes("title");
  });

  it("UBL goes by its id, JSON by its sourceId, and one original has one id in every notation", async () => {
    const id = `NB-${crypto.randomUUID().slice(0, 8)}`;
    const first = await must(register(ubl(id), firm));
    expect([first.number, first.format, first.currency]).deep.equals([id, "ubl", "EUR"]);
    for (const written of [
      id.toLowerCase(),
      ` ${id}`,
      id.replace("-", " - "),
      id.replace("N", "Ｎ"),
    ])
      expect(
        refused(await register(ubl(written), firm), "external-registered")["original"].id,
        written,
      ).equals(first.id);
    const seller = { taxId: freshTaxId(), name: "外地店" };
    const json = await must(
      register(invoiceOf(seller, { name: "个人" }, { sourceId: "T-1" }), firm),
    );
    expect(json.id).equals(
      externalHex(
        idsOf({ number: "T-1", day: "2026-11-03", currency: "CNY", seller })[0] as string,
      ),
    );
    expect((await get(`/v1/external-invoices/${json.id}/original`, firm)).status).equals(404);
    // a country prefix before a Chinese tax id does not make another seller
    const prefixed = invoiceOf(
      { ...seller, taxId: `CN${seller.taxId}` },
      { name: "个人" },
      { sourceId: "T-1" },
    );
    expect(refused(await register(prefixed, firm), "external-registered")["original"].id).equals(
      json.id,
    );
    expect(
      (await must(register(invoiceOf(seller, { name: "个人" }, { sourceId: "T-2" }), firm))).id,
    ).not.equals(json.id);
    refused(await register(invoiceOf(seller, { name: "个人" }), firm), "invalid-document", {
      field: "/sourceId",
      rule: "original-number",
    });
  });

  it("the same file again gets the existing claim as its answer, and raises no alarm", async () => {
    const xml = shudian();
    const { id, claim } = await must(register(xml, firm));
    const again = refused(await register(xml, firm), "external-registered");
    expect(again["original"]).deep.includes({ id, claim: claim.id, state: "claimed" });
    await must(decide(claim.id, "reimburse", firm));
    expect(refused(await register(xml, firm), "external-registered")["original"]).deep.includes({
      claim: claim.id,
      state: "reimbursed",
    });
    expect(await alarms(id)).deep.equals([]);
    expect((await record(ledgerNumber(id))).version).equals(2);
  });

  it("ten uploads of the same file at once are one claim", async () => {
    const xml = shudian();
    const replies = await many(10, () => register(xml, firm));
    const made = replies.filter(({ status }) => status === 201);
    expect(made).lengthOf(1);
    for (const reply of replies.filter(({ status }) => status !== 201))
      expect(refused(reply, "external-registered")["original"].claim).equals(
        made[0]?.body.claim.id,
      );
    expect(await alarms(made[0]?.body.id)).deep.equals([]);
  });

  it("a second employer's refusal says when it was used and not by whom; the bureau sees the attempt's employer", async () => {
    const xml = shudian();
    const { id, claim } = await must(register(xml, firm));
    const claimed = await register(xml, rival);
    const { original, alarm, chain } = refused(claimed, "already-claimed");
    expect(original).deep.equals({ id, state: "claimed", since: original.since });
    // by the chain's clock, which other tests move
    const [act] = await (await database())<
      { at: Date }[]
    >`select at from feed where type = 'claim.created' and number = ${ledgerNumber(id)}`;
    expect(original.since).equals(act?.at.toISOString());
    expect([alarm, chain]).deep.equals([
      true,
      { error: "AlreadyClaimed", args: [ledgerNumber(id)] },
    ]);
    await must(decide(claim.id, "reimburse", firm));
    const paid = refused(await register(xml, rival), "already-reimbursed");
    expect(paid["original"]).deep.includes({ id, state: "reimbursed" });
    for (const reply of [claimed.body, paid])
      expect(JSON.stringify(reply)).not.includes(firm.taxId).and.not.includes(firm.account);
    expect(await alarms(id)).deep.equals([
      { reason: "already-claimed", attempt: "admit", by: rival.account, employer: rival.index },
      { reason: "already-reimbursed", attempt: "admit", by: rival.account, employer: rival.index },
    ]);
    // the employer sees its own attempt and no other data
    expect(await alarms(id, rival)).deep.equals([
      { reason: "already-claimed", attempt: "admit" },
      { reason: "already-reimbursed", attempt: "admit" },
    ]);
    const seen = await must(get(`/v1/external-invoices/${id}`, rival));
    expect([seen.claim.status, seen.employer.taxId]).deep.equals(["refused", rival.taxId]);
    refused(await decide(claim.id, "reimburse", rival), "not-found");
    refused(await decide(seen.claim.id, "reimburse", rival), "claim-state");
  });

  it("of two employers at the same instant one succeeds", async () => {
    for (let round = 0; round < 3; round += 1) {
      const xml = shudian();
      const replies = await Promise.all([firm, rival].map((by) => register(xml, by)));
      expect(replies.map(({ status }) => status).sort()).deep.equals([201, 409]);
      const [made, late] = replies[0]?.status === 201 ? replies : [...replies].reverse();
      expect(refused(late as Reply, "already-claimed")["original"].id).equals(made?.body.id);
      expect((await record(ledgerNumber(made?.body.id))).version).equals(1);
    }
  });

  it("after a rejection it is free again, for the same employer and for another", async () => {
    const xml = shudian();
    const first = await must(register(xml, firm));
    await must(decide(first.claim.id, "reject", firm, { reason: "不是公务" }));
    expect(await record(ledgerNumber(first.id))).deep.includes({ state: "issued", employer: 0 });
    const again = await must(register(xml, firm, { holder: worker.account }));
    expect(again.claim.id).not.equals(first.claim.id);
    expect(await record(ledgerNumber(first.id))).deep.includes({
      state: "claimed",
      holder: worker.account,
    });
    await must(decide(again.claim.id, "reject", firm, { reason: "还是不行" }));
    const other = await must(register(xml, rival));
    expect((await decide(other.claim.id, "reimburse", rival)).body.status).equals("reimbursed");
    refused(await register(xml, firm), "already-reimbursed");
    expect((await must(get(`/v1/claims/${first.claim.id}`, firm))).status).equals("rejected");
    // the first employer's row of its own claim does not show the other employer
    const packed = await (await clientOf(firm)).bytes("GET /v1/claims/{id}/archive", {
      params: { id: first.claim.id },
      accept: "application/zip",
    });
    const files = unzipSync(packed.body);
    const { history } = JSON.parse(
      strFromU8(files[`external-${first.id}/metadata.json`] ?? new Uint8Array()),
    );
    expect(history.map(({ type, data }: Loose) => [type, data.employer ?? firm.index])).deep.equals(
      [
        ["claim.created", firm.index],
        ["claim.rejected", firm.index],
        ["claim.created", firm.index],
        ["claim.rejected", firm.index],
        ["reimbursement.refused", firm.index],
      ],
    );
    // the bureau sees the registration that holds
    expect((await must(get(`/v1/external-invoices/${first.id}`, bureau))).employer.taxId).equals(
      rival.taxId,
    );
  });

  it("a file for another buyer, or one that breaks a rule, is refused by name; a red letter is never claimed", async () => {
    const titled = refused(
      await register(shudian({ buyer: rival.taxId }), firm),
      "titled-to-another",
      { field: "/buyer/taxId", rule: "buyer-is-employer" },
    );
    expect(titled["original"]).equals(undefined);
    const red = sample("shudian/09-red-letter-of-04.xml").replaceAll(
      "91440300MAJU6XYHXC",
      firm.taxId,
    );
    const noted = await register(red, firm);
    expect([noted.status, noted.body.claim, noted.body.amount]).deep.equals([
      201,
      undefined,
      "2970.00",
    ]);
    refused(
      await register(shudian().replace(/<TotalTaxAm>[^<]*</, "<TotalTaxAm>999.99<"), firm),
      "invalid-document",
    );
    refused(await register("<!DOCTYPE x><EInvoice/>", firm), "forbidden-markup");
    refused(await register(shudian(), firm, { type: "text/csv" }), "unsupported-media-type");
  });

  it("only an employer registers, for itself or for its own people", async () => {
    const xml = shudian();
    for (const by of [worker, shop, bureau]) refused(await register(xml, by), "forbidden");
    const stranger = await person(rival, "孙三");
    for (const holder of [
      stranger.account,
      rival.account,
      Wallet.createRandom().address,
      ZERO_ACCOUNT,
    ])
      refused(await register(xml, firm, { holder }), "receiver-invalid", {
        field: "?holder",
        rule: "holder-is-employee",
      });
    const seller = { taxId: freshTaxId(), name: "外地店" };
    const twice = invoiceOf(seller, { name: "个人" }, { sourceId: "T-9", holder: worker.account });
    refused(await register(twice, firm, { holder: worker.account }), "invalid-request");
    expect((await must(register(twice, firm))).holder).equals(worker.account);
    const { id, claim } = await must(register(xml, firm, { holder: worker.account }));
    for (const [path, by] of [
      [`/v1/external-invoices/${id}`, rival],
      [`/v1/external-invoices/${id}/original`, rival],
      [`/v1/external-invoices/${id}`, stranger],
      [claim.href, rival],
    ] as const)
      refused(await get(path, by), "not-found");
    refused(await get(`/v1/external-invoices/${id}`, shop), "not-found");
    refused(await get("/v1/external-invoices/0x12", firm), "invalid-request");
    // the number of an external invoice is not a number of this network
    refused(await get(`/v1/invoices/${id}`, firm), "invalid-request");
    refused(
      await call(
        "POST",
        "/v1/claims",
        { employer: rival.taxId, invoices: [id] },
        { token: worker.token },
      ),
      "invalid-request",
    );
    const suspended = await taxpayer("停牌公司", ["employer"]);
    await must(call("PATCH", `/v1/taxpayers/${suspended.taxId}`, { standing: "suspended" }));
    refused(await register(shudian(), suspended), "employer-not-active");
  });

  it("registrations are listed newest first, each to its own parties", async () => {
    const own = await taxpayer("清单公司", ["employer"]);
    const clerk = await person(own, "李四");
    const ids: string[] = [];
    for (const holder of [undefined, clerk.account, undefined])
      ids.unshift((await must(register(shudian(), own, holder ? { holder } : {}))).id);
    const listed = async (by: By, query = "") =>
      (await must(get(`/v1/external-invoices${query}`, by))).items.map(
        (invoice: Loose) => invoice.id,
      );
    expect(await listed(own)).deep.equals(ids);
    expect(await listed(clerk)).deep.equals([ids[1]]);
    expect(await listed(shop)).deep.equals([]);
    expect((await listed(bureau)).slice(0, 3)).deep.equals(ids);
    const page = await must(get("/v1/external-invoices?limit=2", own));
    expect(await listed(own, `?limit=2&before=${page.next}`)).deep.equals([ids[2]]);
  });

  describe("an invoice of this network", () => {
    const untitled = (more: object = {}) =>
      issued(shop, { name: "个人" }, { holder: worker.account, ...more });
    const written = async (number: string, format: string) =>
      (
        await call("GET", `/v1/invoices/${number}`, undefined, {
          token: worker.token,
          headers: { accept: `application/vnd.onepiao.${format}+xml` },
        })
      ).body as string;
    const isOurs = async (body: unknown, number: string, by: By = rival) =>
      expect(refused(await register(body, by), "external-issued-here")["original"]).deep.equals({
        number,
        href: `/v1/invoices/${number}`,
        import: "/v1/invoices/import",
      });

    it("is not registered as external, in any of its formats", async () => {
      for (const sourceId of [undefined, `POS-${crypto.randomUUID()}`]) {
        const number = await untitled(sourceId === undefined ? {} : { sourceId });
        const [xml, ublXml] = [await written(number, "shudian"), await written(number, "ubl")];
        expect(ublXml).includes(number);
        await isOurs(xml, number);
        await isOurs(ublXml, number);
        await isOurs(await written(number, "cii"), number);
        // also not with another seller in it, nor by another name of the same number
        await isOurs(xml.replaceAll(shop.taxId, freshTaxId()), number);
        await isOurs(
          invoiceOf(
            shop,
            { name: "个人" },
            { sourceId: ` ${number.slice(0, 9)} ${number.slice(9)}` },
          ),
          number,
        );
        if (sourceId === undefined) continue;
        // without the gateway's number, its issuer's own id identifies it
        await isOurs(
          ublXml.replace(
            /<cac:AdditionalDocumentReference>.*?<\/cac:AdditionalDocumentReference>/s,
            "",
          ),
          number,
        );
        await isOurs(invoiceOf(shop, { name: "个人" }, { sourceId }), number);
        expect(await statusOf(number)).equals("issued");
      }
    });

    it("is recognised by the original that it was issued from", async () => {
      const national = nationalNumber();
      const original = shudian({ number: national, seller: shop.taxId, sellerName: "网内店" });
      const { number } = await must(
        call("POST", `/v1/invoices?holder=${worker.account}`, original, {
          token: shop.token,
          type: "application/xml",
        }),
      );
      await isOurs(original, number);
      await isOurs(await written(number, "shudian"), number);
    });

    it("is recognised by its number before it is sealed, and before it is issued", async () => {
      const { number } = (
        await call("POST", "/v1/invoices", invoiceOf(shop, { name: "个人" }), {
          token: shop.token,
          wait: 0,
        })
      ).body;
      await isOurs(shudian({ number }), number);
      const { items } = await must(get(`/v1/taxpayers/${shop.taxId}/segments`, shop));
      const last = (BigInt(items[0].first) + BigInt(items[0].length) - 1n).toString();
      await isOurs(shudian({ number: last }), last);
    });

    it("is not reimbursed if its original is already reimbursed as an external invoice", async () => {
      const national = nationalNumber();
      const original = shudian({ number: national, seller: shop.taxId, sellerName: "网内店" });
      const external = await must(register(original, rival));
      const { number } = await must(
        call("POST", `/v1/invoices?holder=${worker.account}`, original, {
          token: shop.token,
          type: "application/xml",
        }),
      );
      const claim = () =>
        call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: [number] },
          { token: worker.token },
        );
      const problem = refused(await claim(), "already-claimed");
      expect(problem["original"]).deep.includes({ id: external.id, number, state: "claimed" });
      await must(decide(external.claim.id, "reimburse", rival));
      refused(await claim(), "already-reimbursed");
      expect((await record(number)).state).equals("untouched");
    });
  });

  it("an employer with its own key signs its registrations", async () => {
    const wallet = Wallet.createRandom();
    const own = await taxpayer("自管公司", ["employer"], {
      key: { custody: "own", address: wallet.address },
    });
    const [xml, key] = [shudian(), crypto.randomUUID()];
    const taken = await register(xml, own, { key, wait: 0 });
    const href = taken.body.operation.href;
    const { typedData: asked } = await until(
      "the registration waits for its signature",
      async () => {
        const { body } = await get(href, own);
        return body.status === "awaiting-signature" ? body : undefined;
      },
    );
    expect(asked.primaryType).equals("Admit");
    expect(asked.message).deep.includes({ employer: own.index, holder: own.account });
    expect((await get(`/v1/external-invoices/${taken.body.id}`, own)).body.claim.status).equals(
      "submitted",
    );
    expect(refused(await register(xml, own), "external-registered")["original"].state).equals(
      "submitted",
    );
    const signature = await wallet.signTypedData(asked.domain, asked.types, asked.message);
    await must(call("POST", `${href}/signatures`, { signature }, { token: own.token }));
    const done = await register(xml, own, { key });
    expect([done.status, done.body.claim.status]).deep.equals([201, "claimed"]);
  });

  it("through two gateways at the same instant the chain accepts one, and each gateway knows the outcome", async () => {
    const { rpcUrl, deployment } = await sandbox();
    const contracts = createContracts(deployment);
    const wallet = Wallet.createRandom();
    const abroad = await taxpayer("另一网关的公司", ["employer"], {
      key: { custody: "own", address: wallet.address },
    });
    const provider = new JsonRpcProvider(rpcUrl, deployment.chainId, { staticNetwork: true });
    provider.pollingInterval = 50;
    /**
     * Another gateway's part: an act of the employer's own key, relayed by a key that this gateway
     * does not know.
     */
    async function elsewhere(id: string, version = 0): Promise<void> {
      const invoices = [{ id: ledgerNumber(id), version }];
      const message = {
        type: "Admit" as const,
        value: { employer: abroad.index, holder: abroad.account, ref: refOf(7), invoices },
      };
      const { domain, types } = typedData(contracts.domains.ledger, message);
      const signature =
        compactSignature(await wallet.signTypedData(domain, types as Loose, message.value)) ??
        noSignature;
      const kind = actKinds.indexOf("Admit");
      const act = {
        kind,
        to: abroad.account,
        taxpayer: abroad.index,
        ref: refOf(7),
        invoices,
        evidence: [],
        signature,
        consent: noSignature,
      };
      const relay = Wallet.createRandom().connect(provider);
      const sent = await relay.sendTransaction({
        to: deployment.ledger,
        data: contracts.act([act]),
        gasLimit: 1_000_000,
        gasPrice: 0,
        type: 0,
      });
      await sent.wait();
    }
    try {
      // there, then here
      const [number, seller] = [nationalNumber(), freshTaxId()];
      const id = nationalId(number);
      await elsewhere(id);
      expect(
        refused(await register(shudian({ number, seller }), firm), "already-claimed")["original"],
      ).deep.includes({ id, state: "claimed" });
      expect(await alarms(id)).deep.equals([
        { reason: "already-claimed", attempt: "admit", by: firm.account, employer: firm.index },
      ]);
      // here, then there
      const external = await must(register(shudian(), firm));
      await elsewhere(external.id, 1);
      const alarm = await until(
        "the attempt is known here",
        async () => (await alarms(external.id))[0],
      );
      expect(alarm).deep.equals({
        reason: "already-claimed",
        attempt: "admit",
        by: abroad.account,
        employer: abroad.index,
      });
      // at the same instant
      const [another, whose] = [nationalNumber(), freshTaxId()];
      const contested = nationalId(another);
      const [here] = await Promise.all([
        register(shudian({ number: another, seller: whose }), firm),
        elsewhere(contested),
      ]);
      const { employer, version } = await record(ledgerNumber(contested));
      expect([version, employer]).deep.equals([1, here.status === 201 ? firm.index : abroad.index]);
      if (here.status === 201) expect(here.body.claim.status).equals("claimed");
      else refused(here, "already-claimed");
      // a faulty gateway admits a number of this network as external: its holder here does not get
      // a second reimbursement
      const ours = await issued(shop, { name: "个人" }, { holder: worker.account });
      await elsewhere(nationalId(ours));
      await until(
        "the admission is known here",
        async () => (await must(get(`/v1/events?number=${nationalId(ours)}`, bureau))).items[0],
      );
      const second = await call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [ours] },
        { token: worker.token },
      );
      expect(refused(second, "already-claimed")["original"]).deep.includes({
        number: ours,
        state: "claimed",
      });
    } finally {
      provider.destroy();
    }
  });

  it("a registration under way survives a restart of the gateway", async () => {
    const [xml, key] = [shudian(), crypto.randomUUID()];
    expect((await register(xml, firm, { key, wait: 0 })).status).equals(202);
    await (await sandbox()).restart();
    const done = await register(xml, firm, { key });
    expect(
      [done.status, done.headers.get("idempotency-replayed")],
      JSON.stringify(done.body),
    ).deep.equals([201, "true"]);
    expect((await decide(done.body.claim.id, "reimburse", firm)).body.status).equals("reimbursed");
  });

  // the last test: it moves the chain's clock, which all files of a run share
  it("the holder withdraws a claim that its employer leaves undecided, and the invoice is free again", async () => {
    const { rpcUrl, deployment } = await sandbox();
    const xml = shudian();
    const { id, claim } = await must(register(xml, firm, { holder: worker.account }));
    refused(await decide(claim.id, "withdraw", worker), "claim-term-running");
    await passTime(rpcUrl, deployment.claimTermSeconds);
    expect((await decide(claim.id, "withdraw", worker)).body.status).equals("withdrawn");
    expect(await record(ledgerNumber(id))).deep.includes({ state: "issued", employer: 0 });
    expect((await register(xml, rival)).status).equals(201);
  });
});
