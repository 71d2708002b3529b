/**
 * Webhooks over HTTP: a test precedes each, their own party controls them, and they deliver events
 * of the chain.
 */
import { expect } from "chai";
import { Webhook } from "standardwebhooks";
import {
  call,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused } from "./observe.ts";
import { until } from "./support/proxy.ts";
import { type Answering, type Receiver, startReceiver, status } from "./support/receiver.ts";

describe("webhooks over HTTP", () => {
  let shop: TestParty;
  let other: TestParty;
  let ann: { account: string; token: string };
  const receivers: Receiver[] = [];

  before(async () => {
    [shop, other] = await Promise.all([
      taxpayer("店", ["issuer", "employer"]),
      taxpayer("别家", ["issuer"]),
    ]);
    ann = await person(shop, "安");
  });
  after(async () => {
    for (const endpoint of receivers) await endpoint.close();
  });

  async function receiver(answer?: Answering): Promise<Receiver> {
    const endpoint = await startReceiver(answer);
    receivers.push(endpoint);
    return endpoint;
  }
  const make = (
    url: string,
    by: { token: string } = shop,
    more: object = {},
    key?: string,
  ): Promise<Reply> =>
    call(
      "POST",
      "/v1/webhooks",
      { url, ...more },
      { token: by.token, ...(key === undefined ? {} : { key }) },
    );
  const steer = (
    id: string,
    word: string,
    by: { token: string } = shop,
    body?: unknown,
  ): Promise<Reply> => call("POST", `/v1/webhooks/${id}/${word}`, body, { token: by.token });
  const shown = (id: string, by: { token: string } = shop) =>
    call("GET", `/v1/webhooks/${id}`, undefined, { token: by.token });
  const numbersAt = (endpoint: Receiver) => [
    ...new Set(
      endpoint.deliveries
        .filter(({ type }) => type === "invoice.issued")
        .map(({ data }) => data.number),
    ),
  ];

  it("a webhook exists after its endpoint accepts a signed test delivery; the answer shows its secret, once", async () => {
    const pos = await receiver();
    const made = await make(pos.url, shop, { description: "收银台" });
    expect(made.status, JSON.stringify(made.body)).equals(201);
    expect(made.body).includes({
      url: pos.url,
      description: "收银台",
      status: "active",
      failures: 0,
    });
    expect(made.body.secret).matches(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const [test] = pos.deliveries as [Receiver["deliveries"][0]];
    expect(pos.deliveries).length(1);
    expect(new Webhook(made.body.secret).verify(test.body, test.headers)).deep.includes({
      type: "webhook.test",
      data: {},
    });
    const { body } = await shown(made.body.id);
    expect(body).not.property("secret");
    expect(body.attempts).length(1);
    expect(body.attempts[0]).includes({ status: 200 });
    const { items } = await must(call("GET", "/v1/webhooks", undefined, { token: shop.token }));
    expect(items.map((webhook: Loose) => webhook.id)).includes(made.body.id);
    expect(JSON.stringify(items)).not.includes("whsec_");
  });

  it("the same Idempotency-Key makes one webhook, and the replay has no secret", async () => {
    const pos = await receiver();
    const key = crypto.randomUUID();
    const [first, second] = [
      await make(pos.url, shop, {}, key),
      await make(pos.url, shop, {}, key),
    ];
    expect([first.status, second.status, second.headers.get("idempotency-replayed")]).deep.equals([
      201,
      201,
      "true",
    ]);
    const { secret, ...rest } = first.body;
    expect([typeof secret, second.body]).deep.equals(["string", rest]);
    expect(pos.deliveries).length(1);
  });

  it("an endpoint that fails the test is refused with its reply, no row stays, and the same key can try again", async () => {
    const pos = await receiver(status(503));
    const key = crypto.randomUUID();
    const problem = refused(await make(pos.url, shop, {}, key), "webhook-test-failed", {
      field: "/url",
      rule: "test-delivery",
    });
    expect(problem["attempt"]).deep.includes({ status: 503, error: "status" });
    const before = (await must(call("GET", "/v1/webhooks", undefined, { token: shop.token })))
      .items;
    expect(before.map((webhook: Loose) => webhook.url)).not.includes(pos.url);
    pos.answer = status(302, { location: pos.url });
    expect(refused(await make(pos.url), "webhook-test-failed")["attempt"]).deep.includes({
      status: 302,
      error: "redirect",
    });
    pos.answer = status(204);
    expect((await make(pos.url, shop, {}, key)).status).equals(201);
    await pos.close();
    expect(refused(await make(pos.url), "webhook-test-failed")["attempt"]).deep.includes({
      error: "connection-refused",
    });
  });

  const bad: [string, string][] = [
    ["ftp://pos.example.com/", "https"],
    ["javascript:alert(1)", "https"],
    ["pos.example.com/hooks", "url"],
    ["https://user:word@pos.example.com/", "no-credentials"],
    ["https://pos.example.com/#part", "no-fragment"],
    ["https://10.0.0.1/", "public-address"],
    ["https://169.254.169.254/latest/meta-data", "public-address"],
    ["https://[::1]/", "public-address"],
    ["https://[::ffff:10.0.0.1]/", "public-address"],
    ["https://0x0a000001/", "public-address"],
    ["http://93.184.215.14/", "https"],
    ["http://10.0.0.1/", "https"],
  ];
  for (const [url, rule] of bad) {
    it(`${url} cannot be a webhook's URL: ${rule}`, async () => {
      refused(await make(url, other), "webhook-url-refused", { field: "/url", rule });
    });
  }

  it("events on the chain reach their parties' webhooks, in order, and no other webhook", async () => {
    const [own, theirs, holders, claims] = [
      await receiver(),
      await receiver(),
      await receiver(),
      await receiver(),
    ];
    const { id, secret } = await must(make(own.url));
    await must(make(theirs.url, other));
    await must(make(holders.url, ann));
    await must(make(claims.url, shop, { types: ["claim.created"] }));
    const numbers: string[] = [];
    for (let i = 0; i < 4; i += 1)
      numbers.push(await issued(shop, { name: "个人" }, { holder: ann.account }));
    await must(
      call(
        "POST",
        "/v1/claims",
        { employer: shop.taxId, invoices: [numbers[0]] },
        { token: ann.token },
      ),
    );
    const foreign = await issued(other, { name: "个人" });
    const last = (endpoint: Receiver, type: string) => () =>
      endpoint.deliveries.some((delivery) => delivery.type === type);
    await Promise.all([
      until("the claim is delivered", last(own, "claim.created")),
      until("the holder has it as well", last(holders, "claim.created")),
      until("the webhook for claims has it", last(claims, "claim.created")),
      until("the other shop has its own", () => numbersAt(theirs).includes(foreign)),
    ]);
    expect(numbersAt(own)).deep.equals(numbers);
    expect(numbersAt(holders)).deep.equals(numbers);
    expect(numbersAt(theirs)).deep.equals([foreign]);
    expect(claims.deliveries.map(({ type }) => type)).deep.equals([
      "webhook.test",
      "claim.created",
    ]);
    const { items } = await must(
      call("GET", `/v1/events?number=${numbers[3]}`, undefined, { token: shop.token }),
    );
    const delivery = own.deliveries.find(
      ({ data }) => data.number === numbers[3],
    ) as Receiver["deliveries"][0];
    expect(delivery.data).deep.equals(items[0]);
    expect(delivery.id).equals(`evt_${items[0].id}`);
    new Webhook(secret).verify(delivery.body, delivery.headers);
    const { attempts } = (await shown(id)).body;
    expect(
      attempts.every((attempt: Loose) => attempt.status === 200 && attempt.milliseconds >= 0),
    ).equals(true);
  });

  it("a rotated secret signs in addition to the old one for a day", async () => {
    const pos = await receiver();
    const { id, secret: old } = await must(make(pos.url));
    const rotated = await must(steer(id, "rotate-secret"));
    expect(rotated.secret).not.equals(old);
    expect(Date.parse(rotated.oldSecretUntil) - Date.now()).within(23 * 3_600_000, 24 * 3_600_000);
    await issued(shop, { name: "个人" });
    const { body, headers } = await until("the delivery has arrived", () =>
      pos.deliveries.find(({ type }) => type === "invoice.issued"),
    );
    expect(headers["webhook-signature"]?.split(" ")).length(2);
    for (const secret of [old, rotated.secret]) new Webhook(secret).verify(body, headers);
    expect((await shown(id)).body).not.property("secret");
  });

  it("a disabled one gets nothing, and all missed events once it is enabled again", async () => {
    const pos = await receiver();
    const { id } = await must(make(pos.url));
    expect(await must(steer(id, "disable"))).includes({ status: "disabled", reason: "party" });
    const numbers = [await issued(shop, { name: "个人" }), await issued(shop, { name: "个人" })];
    const witness = await receiver();
    await must(make(witness.url));
    numbers.push(await issued(shop, { name: "个人" }));
    await until("another webhook has the event", () => numbersAt(witness).length === 1);
    expect(numbersAt(pos)).deep.equals([]);
    expect(await must(steer(id, "enable"))).includes({ status: "active" });
    await until("all events have arrived", () => numbersAt(pos).length === 3);
    expect(numbersAt(pos)).deep.equals(numbers);
  });

  it("a replay delivers past deliveries again, under the same ids, and never moves forward", async () => {
    const pos = await receiver();
    const { id, position } = await must(make(pos.url));
    const numbers = [await issued(shop, { name: "个人" }), await issued(shop, { name: "个人" })];
    await until("both events have arrived", () => numbersAt(pos).length === 2);
    await until(
      "both deliveries are recorded",
      async () =>
        (await shown(id)).body.position !== position && (await shown(id)).body.attempts.length >= 3,
    );
    const before = pos.ids();
    refused(await steer(id, "replay", shop, { after: "999999999999999999" }), "invalid-request", {
      field: "/after",
      rule: "not-ahead",
    });
    await must(steer(id, "replay", shop, { after: position }));
    await until("both have arrived again", () => pos.ids().length >= 2 * before.length);
    expect(pos.ids().slice(before.length, 2 * before.length)).deep.equals(before);
    expect(numbersAt(pos)).deep.equals(numbers);
  });

  it("no other party sees or controls it, nor a key of the same party with fewer rights", async () => {
    const pos = await receiver();
    const { id } = await must(make(pos.url));
    const till = await must(
      call(
        "POST",
        "/v1/api-keys",
        { account: shop.account, roles: ["issuer"] },
        { token: shop.token },
      ),
    );
    for (const stranger of [other, ann, till, { token: (await sandbox()).bureau.token }]) {
      refused(await shown(id, stranger), "not-found");
      for (const word of ["rotate-secret", "disable", "enable"])
        refused(await steer(id, word, stranger), "not-found");
      refused(await steer(id, "replay", stranger, { after: "0" }), "not-found");
      refused(
        await call("DELETE", `/v1/webhooks/${id}`, undefined, { token: stranger.token }),
        "not-found",
      );
      const { items } = await must(
        call("GET", "/v1/webhooks", undefined, { token: stranger.token }),
      );
      expect(items.map((webhook: Loose) => webhook.id)).not.includes(id);
    }
    expect((await shown(id)).body.status).equals("active");
    const own = await must(make((await receiver()).url, till));
    expect((await shown(own.id)).status, "a key that may do more").equals(200);
    expect(
      (await call("DELETE", `/v1/webhooks/${id}`, undefined, { token: shop.token })).status,
    ).equals(204);
    refused(await shown(id), "not-found");
  });

  it("a party has at most twenty, also with many requests at once", async () => {
    const many = await taxpayer("多钩公司", ["employer"]);
    const pos = await receiver();
    const replies = await Promise.all(Array.from({ length: 25 }, () => make(pos.url, many)));
    expect(replies.filter((answer) => answer.status === 201)).length(20);
    for (const reply of replies.filter((answer) => answer.status !== 201))
      refused(reply, "webhook-limit");
    refused(await make(pos.url, many), "webhook-limit");
  });

  it("neither URL nor secret is readable in the database", async () => {
    const pos = await receiver();
    const { secret } = await must(make(`${pos.url}/a-telling-path`));
    const sql = await database();
    const rows = await sql.unsafe<{ row: string }[]>(
      "select w::text || coalesce(i::text, '') as row from webhooks w left join idempotency i on i.account = w.account",
    );
    const dump = rows.map(({ row }) => row).join("\n");
    const forms = (text: string) => [
      text,
      Buffer.from(text).toString("hex"),
      Buffer.from(text).toString("base64").slice(0, -4),
    ];
    expect(rows.length).greaterThan(0);
    for (const form of [...forms("a-telling-path"), ...forms(secret)])
      expect(dump).not.includes(form);
  });
});
